// Saves tokens by the FileStore of Zoho's SDK 2.0 for Node: node driver_2.cjs FOLDER PACKAGE
//
// Each line of the input is the JSON array [path, calls]; a call is [method, token], and the method is
// save_token. Each line of the output has a null for each call.

const { createRequire } = require("node:module");
const path = require("node:path");
const readline = require("node:readline");

const [folder, name] = process.argv.slice(2);
const load = createRequire(path.resolve(folder, "driver_2.cjs"));
const { FileStore } = load(`${name}/models/authenticator/store/file_store`);
const { OAuthToken } = load(`${name}/models/authenticator/oauth_token`);
const { UserSignature } = load(`${name}/routes/user_signature`);

async function save(store, fields) {
  const token = new OAuthToken(fields.client_id, fields.client_secret, fields.grant_token, fields.refresh_token);
  token.setId(fields.id);
  token.setAccessToken(fields.access_token);
  token.setExpiresIn(fields.expires_in);
  await store.saveToken(new UserSignature(fields.user_name), token);
  return null;
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [place, calls] = JSON.parse(line);
    const store = new FileStore(place);
    const answers = [];
    for (const [, fields] of calls) answers.push(await save(store, fields));
    process.stdout.write(JSON.stringify(answers) + "\n");
  }
}

main();
