<?php
// Lets the contract of zoho-tokenstore run over a token store of Zoho's SDK for PHP:
//
//     zoho-tokens check --driver "php driver.php"
//
// Put it into a project that has the SDK by Composer (or name a checkout of it in ZOHO_SDK), and let open_store open
// your store. As it stands it opens Zoho's FileStore.

use com\zoho\api\authenticator\OAuthToken;
use com\zoho\api\authenticator\store\FileStore;
use com\zoho\crm\api\exception\SDKException;
use com\zoho\crm\api\UserSignature;
use com\zoho\crm\api\util\Constants;

ini_set('display_errors', 'stderr'); // the standard output is for answers alone
$sdk = getenv('ZOHO_SDK');
$sdk ? spl_autoload_register(fn($class) => @include "$sdk/src/" . strtr($class, '\\', '/') . '.php')
    : require __DIR__ . '/vendor/autoload.php';

const SETTERS = [
    'id' => 'Id', 'client_id' => 'ClientId', 'client_secret' => 'ClientSecret', 'refresh_token' => 'RefreshToken',
    'access_token' => 'AccessToken', 'grant_token' => 'GrantToken', 'expires_in' => 'ExpiresIn',
    'redirect_url' => 'RedirectURL', 'api_domain' => 'APIDomain',
];

function open_store(string $folder)
{
    return new FileStore("$folder/sdk_tokens.txt");
}

function token_of(array $fields): OAuthToken
{
    $token = (new ReflectionClass(OAuthToken::class))->newInstanceWithoutConstructor();
    foreach (SETTERS as $name => $setter) {
        $token->{"set$setter"}($fields[$name] ?? null);
    }
    if (isset($fields['user_name'])) {
        $token->setUserSignature(new UserSignature($fields['user_name']));
    }
    return $token;
}

function fields_of(?OAuthToken $token): ?array
{
    $get = fn($getter) => is_null($token->{"get$getter"}()) ? null : (string) $token->{"get$getter"}();
    return $token ? ['user_name' => $token->getUserSignature()?->getName()] + array_map($get, SETTERS) : null;
}

function call(object $store, string $method, array $params)
{
    $passed = isset($params['token']) ? token_of($params['token']) : null;
    switch ($method) {
        case 'find_token':
            $returned = $store->findToken($passed);
            $same = $returned === $passed;
            return ['passed' => fields_of($passed), 'returned' => fields_of($returned), 'same' => $same];
        case 'save_token':
            $store->saveToken($passed);
            return ['passed' => fields_of($passed)];
        case 'find_token_by_id':
            return fields_of($store->findTokenById($params['id']));
        case 'delete_token':
            $store->deleteToken($params['id']);
            return null;
        case 'get_tokens':
            $tokens = $store->getTokens();
            return is_null($tokens) ? null : array_map('fields_of', array_values($tokens));
        case 'delete_tokens':
            $store->deleteTokens();
            return null;
    }
}

while (($line = fgets(STDIN)) !== false) {
    $id = null;
    try {
        ['id' => $id, 'method' => $method, 'params' => $params] = json_decode($line, true, flags: JSON_THROW_ON_ERROR);
        if ($method === 'open') {
            $store = open_store($params['folder']);
            $name = (new ReflectionClass($store))->getShortName();
            $result = ['protocol' => 1, 'name' => $name, 'sdk' => 'zohocrm/php-sdk-8.0',
                'version' => Constants::SDK_VERSION];
        } else {
            $result = call($store, $method, $params);
        }
        $answer = ['result' => $result];
    } catch (Throwable $error) {
        $message = $error instanceof SDKException ? (string) $error : $error->getMessage();
        $answer = ['error' => ['code' => $error instanceof SDKException ? 1 : 2, 'message' => $message]];
    }
    echo json_encode(['jsonrpc' => '2.0', 'id' => $id] + $answer, JSON_INVALID_UTF8_SUBSTITUTE), "\n";
}
