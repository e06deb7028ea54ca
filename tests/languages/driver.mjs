// Calls the token stores of one of Zoho's SDKs for Node: node driver.mjs FOLDER PACKAGE
//
// FOLDER is where npm has installed PACKAGE. Each line of the input is the JSON array [place, calls]:
// a place is the path of a file or the arguments of a database, a call is [method, argument]. Each
// line of the output has what the calls returned: tokens as their ten fields, an error as its name.
// The methods are those of the stores, and `initialize` with {environment, ...fields of the token},
// which begins to use the SDK on the store and returns the token.

import { createRequire } from "node:module";
import path from "node:path";
import readline from "node:readline";
import { pathToFileURL } from "node:url";

const [folder, name] = process.argv.slice(2);
const entry = createRequire(path.resolve(folder, "driver.mjs")).resolve(name);
const sdk = await import(pathToFileURL(entry));
const { DBBuilder, Environment, FileStore, InitializeBuilder, OAuthBuilder, UserSignature } = sdk;

const METHODS = {
  find_token: "findToken",
  find_token_by_id: "findTokenById",
  save_token: "saveToken",
  delete_token: "deleteToken",
  get_tokens: "getTokens",
  delete_tokens: "deleteTokens",
};

function storeAt(place) {
  if (typeof place === "string") return new FileStore(place);
  return new DBBuilder()
    .host(place.host)
    .portNumber(place.port)
    .databaseName(place.database)
    .userName(place.user)
    .password(place.password)
    .build();
}

function tokenOf(fields) {
  const builder = new OAuthBuilder();
  if (fields.id) builder.id(fields.id);
  if (fields.client_id) builder.clientId(fields.client_id);
  if (fields.client_secret) builder.clientSecret(fields.client_secret);
  if (fields.refresh_token) builder.refreshToken(fields.refresh_token);
  if (fields.access_token) builder.accessToken(fields.access_token);
  if (fields.grant_token) builder.grantToken(fields.grant_token);
  if (fields.redirect_url) builder.redirectURL(fields.redirect_url);
  if (fields.user_name) builder.userSignature(new UserSignature(fields.user_name));
  const token = builder.build();
  if (fields.expires_in) token.setExpiresIn(fields.expires_in);
  if (fields.api_domain) token.setAPIDomain(fields.api_domain);
  return token;
}

function fieldsOf(token) {
  return [
    token.getId(),
    token.getUserSignature()?.getName(),
    token.getClientId(),
    token.getClientSecret(),
    token.getRefreshToken(),
    token.getAccessToken(),
    token.getGrantToken(),
    token.getExpiresIn(),
    token.getRedirectURL(),
    token.getAPIDomain(),
  ];
}

function told(returned) {
  if (Array.isArray(returned)) return returned.map(fieldsOf);
  return typeof returned?.getClientId === "function" ? fieldsOf(returned) : null;
}

async function initialize(store, { environment, ...fields }) {
  const token = tokenOf(fields);
  const builder = await new InitializeBuilder();
  builder.environment(new Environment(...environment)).store(store).token(token);
  await builder.initialize();
  return fieldsOf(token);
}

async function call(store, [method, argument]) {
  try {
    if (method === "initialize") return await initialize(store, argument);
    const given = argument !== null && typeof argument === "object" ? tokenOf(argument) : argument;
    return told(await store[METHODS[method]](given));
  } catch (error) {
    return error.code ?? error.constructor.name;
  }
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const [place, calls] = JSON.parse(line);
  const store = storeAt(place);
  const answers = [];
  for (const one of calls) answers.push(await call(store, one));
  process.stdout.write(JSON.stringify(answers) + "\n");
}
