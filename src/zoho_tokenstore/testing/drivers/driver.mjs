// Lets the contract of zoho-tokenstore run over a token store of Zoho's SDK for Node:
//
//     zoho-tokens check --driver "node driver.mjs"
//
// Put it into a project that has the SDK (or name its folder or another package in ZOHO_SDK), and let openStore open
// your store. As it stands it opens Zoho's own: FileStore, or with the argument DBStore, on the server in
// ZOHO_CHECK_MARIADB.

import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import path from "node:path";
import readline from "node:readline";
import { pathToFileURL } from "node:url";

const SDK = process.env.ZOHO_SDK ?? "@zohocrm/nodejs-sdk-8.0";
const STORE = process.argv[2] ?? "FileStore";
const SETTERS = {
  id: "Id", client_id: "ClientId", client_secret: "ClientSecret", refresh_token: "RefreshToken",
  access_token: "AccessToken", grant_token: "GrantToken", expires_in: "ExpiresIn", redirect_url: "RedirectURL",
  api_domain: "APIDomain",
};
const TABLE = `CREATE TABLE IF NOT EXISTS oauthtoken (id varchar(10) NOT NULL, user_name varchar(255),
  client_id varchar(255), client_secret varchar(255), refresh_token varchar(255), access_token varchar(255),
  grant_token varchar(255), expiry_time varchar(20), redirect_url varchar(255), api_domain varchar(255),
  PRIMARY KEY (id))`;
const require = createRequire(import.meta.url);
const { DBBuilder, FileStore, OAuthToken, SDKException, UserSignature } = await import(
  pathToFileURL(require.resolve(SDK))
);
console.log = console.info = console.error; // the standard output is for answers alone

async function openStore(folder) {
  if (STORE === "FileStore") return new FileStore(path.join(folder, "sdk_tokens.txt"));
  const server = JSON.parse(process.env.ZOHO_CHECK_MARIADB);
  const database = "tokens_check_" + createHash("sha256").update(folder).digest("hex").slice(0, 16);
  await run(server, `CREATE DATABASE IF NOT EXISTS ${database}`);
  await run({ ...server, database }, TABLE);
  return new DBBuilder().host(server.host).portNumber(String(server.port)).databaseName(database)
    .userName(server.user).password(server.password).build();
}

function run(server, statement) {
  const connection = createRequire(require.resolve(SDK))("mysql").createConnection(server);
  return new Promise((resolve, reject) => {
    connection.query(statement, (error) => (error ? reject(error) : resolve()));
    connection.end();
  });
}

function tokenOf(fields) {
  const token = Reflect.construct(OAuthToken, []);
  for (const [name, setter] of Object.entries(SETTERS)) token["set" + setter](fields[name] ?? null);
  token.setUserSignature(fields.user_name === undefined ? null : new UserSignature(fields.user_name));
  return token;
}

function fieldsOf(token) {
  if (token == null) return null;
  const fields = { user_name: token.getUserSignature()?.getName() ?? null };
  for (const [name, getter] of Object.entries(SETTERS)) fields[name] = token["get" + getter]()?.toString() ?? null;
  return fields;
}

let store;
const METHODS = {
  async open({ folder }) {
    store = await openStore(folder);
    const { name, version } = require(SDK + "/package.json");
    return { protocol: 1, name: STORE, version, sdk: name, concurrent: true };
  },
  async find_token({ token }) {
    const passed = tokenOf(token);
    const returned = await store.findToken(passed);
    return { passed: fieldsOf(passed), returned: fieldsOf(returned), same: returned === passed };
  },
  async save_token({ token }) {
    const passed = tokenOf(token);
    await store.saveToken(passed);
    return { passed: fieldsOf(passed) };
  },
  find_token_by_id: async ({ id }) => fieldsOf(await store.findTokenById(id)),
  delete_token: async ({ id }) => void (await store.deleteToken(id)),
  get_tokens: async () => (await store.getTokens())?.map(fieldsOf) ?? null,
  delete_tokens: async () => void (await store.deleteTokens()),
};

async function answer({ id, method, params }) {
  try {
    return { jsonrpc: "2.0", id, result: (await METHODS[method](params)) ?? null };
  } catch (error) {
    return { jsonrpc: "2.0", id, error: { code: error instanceof SDKException ? 1 : 2, message: String(error) } };
  }
}

const lines = readline.createInterface({ input: process.stdin });
lines.on("line", async (line) => process.stdout.write(JSON.stringify(await answer(JSON.parse(line))) + "\n"));
lines.on("close", () => process.exit());
