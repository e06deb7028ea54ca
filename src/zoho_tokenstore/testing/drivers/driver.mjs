// Lets the contract of zoho-tokenstore run over a token store of Zoho's SDK for Node:
//
//     zoho-tokens check --driver "node driver.mjs"
//
// Put it into a project that has the SDK (or name its folder or another package in ZOHO_SDK), and let openStore open
// your store. As it stands it opens Zoho's FileStore.

import { createRequire } from "node:module";
import path from "node:path";
import readline from "node:readline";
import { pathToFileURL } from "node:url";

const SDK = process.env.ZOHO_SDK ?? "@zohocrm/nodejs-sdk-8.0";
const SETTERS = {
  id: "Id", client_id: "ClientId", client_secret: "ClientSecret", refresh_token: "RefreshToken",
  access_token: "AccessToken", grant_token: "GrantToken", expires_in: "ExpiresIn", redirect_url: "RedirectURL",
  api_domain: "APIDomain",
};
const require = createRequire(import.meta.url);
const { FileStore, OAuthToken, SDKException, UserSignature } = await import(
  pathToFileURL(require.resolve(SDK))
);
console.log = console.info = console.error; // the standard output is for answers alone

async function openStore(folder) {
  return new FileStore(path.join(folder, "sdk_tokens.txt"));
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
    return { protocol: 1, name: store.constructor.name, version, sdk: name, concurrent: true };
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
