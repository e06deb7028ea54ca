// Opens DBStore of Zoho's SDK for Node, in a database of its own on the server in ZOHO_CHECK_MARIADB.

import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const TABLE = `CREATE TABLE IF NOT EXISTS oauthtoken (id varchar(10) NOT NULL, user_name varchar(255),
  client_id varchar(255), client_secret varchar(255), refresh_token varchar(255), access_token varchar(255),
  grant_token varchar(255), expiry_time varchar(20), redirect_url varchar(255), api_domain varchar(255),
  PRIMARY KEY (id))`;
const sdk = createRequire(import.meta.url).resolve(process.env.ZOHO_SDK);
const mysql = createRequire(sdk)("mysql");
const { DBBuilder } = await import(pathToFileURL(sdk));

export async function openStore(folder) {
  const server = JSON.parse(process.env.ZOHO_CHECK_MARIADB);
  const database = "tokens_check_" + createHash("sha256").update(folder).digest("hex").slice(0, 16);
  await run(server, `CREATE DATABASE IF NOT EXISTS ${database}`);
  await run({ ...server, database }, TABLE);
  return new DBBuilder().host(server.host).portNumber(String(server.port)).databaseName(database)
    .userName(server.user).password(server.password).build();
}

function run(server, statement) {
  const connection = mysql.createConnection(server);
  return new Promise((resolve, reject) => {
    connection.query(statement, (error) => (error ? reject(error) : resolve()));
    connection.end();
  });
}
