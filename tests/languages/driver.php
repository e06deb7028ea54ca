<?php
// Calls the token stores of Zoho's SDK for PHP: php driver.php FOLDER
//
// FOLDER is a checkout of the SDK's repository. Input and output are those of driver.mjs.

use com\zoho\api\authenticator\OAuthBuilder;
use com\zoho\api\authenticator\OAuthToken;
use com\zoho\api\authenticator\store\DBBuilder;
use com\zoho\api\authenticator\store\FileStore;
use com\zoho\crm\api\UserSignature;

$folder = $argv[1];
ini_set('display_errors', 'stderr');
spl_autoload_register(function ($class) use ($folder) {
    $file = "$folder/src/" . str_replace('\\', '/', $class) . '.php';
    if (is_file($file)) {
        require $file;
    }
});

const METHODS = [
    'find_token' => 'findToken',
    'find_token_by_id' => 'findTokenById',
    'save_token' => 'saveToken',
    'delete_token' => 'deleteToken',
    'get_tokens' => 'getTokens',
    'delete_tokens' => 'deleteTokens',
];
const BUILDERS = [
    'id' => 'id',
    'client_id' => 'clientId',
    'client_secret' => 'clientSecret',
    'refresh_token' => 'refreshToken',
    'access_token' => 'accessToken',
    'grant_token' => 'grantToken',
    'redirect_url' => 'redirectURL',
];

function store_at($place)
{
    if (is_string($place)) {
        return new FileStore($place);
    }
    return (new DBBuilder())->host($place['host'])->portNumber($place['port'])
        ->databaseName($place['database'])->userName($place['user'])->password($place['password'])->build();
}

function token_of(array $fields)
{
    $builder = new OAuthBuilder();
    foreach (array_intersect_key($fields, BUILDERS) as $name => $value) {
        $builder->{BUILDERS[$name]}($value);
    }
    if (isset($fields['user_name'])) {
        $builder->userSignature(new UserSignature($fields['user_name']));
    }
    $token = $builder->build();
    $token->setExpiresIn($fields['expires_in'] ?? null);
    $token->setAPIDomain($fields['api_domain'] ?? null);
    return $token;
}

function fields_of(OAuthToken $token)
{
    return [
        $token->getId(),
        $token->getUserSignature()?->getName(),
        $token->getClientId(),
        $token->getClientSecret(),
        $token->getRefreshToken(),
        $token->getAccessToken(),
        $token->getGrantToken(),
        $token->getExpiresIn(),
        $token->getRedirectURL(),
        $token->getAPIDomain(),
    ];
}

function call($store, array $call)
{
    [$method, $argument] = $call;
    try {
        $given = is_array($argument) ? token_of($argument) : $argument;
        $returned = $store->{METHODS[$method]}($given);
    } catch (Throwable $error) {
        return (new ReflectionClass($error))->getShortName();
    }
    if (is_array($returned)) {
        return array_map('fields_of', array_values($returned));
    }
    return $returned instanceof OAuthToken ? fields_of($returned) : null;
}

while (($line = fgets(STDIN)) !== false) {
    [$place, $calls] = json_decode($line, true);
    $store = store_at($place);
    echo json_encode(array_map(fn($call) => call($store, $call), $calls)), "\n";
}
