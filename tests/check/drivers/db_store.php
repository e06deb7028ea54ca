<?php
// Returns DBStore of Zoho's SDK for PHP, in a database of its own on the server in ZOHO_CHECK_MARIADB.

$table = 'CREATE TABLE IF NOT EXISTS oauthtoken (id varchar(10) NOT NULL, user_name varchar(255),
    client_id varchar(255), client_secret varchar(255), refresh_token varchar(255), access_token varchar(255),
    grant_token varchar(255), expiry_time varchar(20), redirect_url varchar(255), api_domain varchar(255),
    PRIMARY KEY (id))';
$server = json_decode(getenv('ZOHO_CHECK_MARIADB'));
$database = 'tokens_check_' . substr(hash('sha256', $folder), 0, 16);
$connection = new mysqli($server->host, $server->user, $server->password, '', $server->port);
foreach (["CREATE DATABASE IF NOT EXISTS $database", "USE $database", $table] as $statement) {
    $connection->query($statement);
}
return (new com\zoho\api\authenticator\store\DBBuilder())
    ->host($server->host)->portNumber($server->port)->databaseName($database)
    ->userName($server->user)->password($server->password)->build();
