"""Does with the SDK's own FileStore what it is told: on each line, as JSON, a file and a list of calls.

Runs under the interpreter of any release of the SDK, without this project. Prints for each line
what the calls returned, as JSON: tokens as their ten fields, an error as its class.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
from zohocrmsdk.src.com.zoho.api.authenticator.store import FileStore
from zohocrmsdk.src.com.zoho.crm.api.user_signature import UserSignature


def make(fields: dict[str, str]) -> Any:
    values: dict[str, Any] = dict(fields)
    name, expires_in = values.pop("user_name", None), values.pop("expires_in", None)
    token = OAuthToken(**values, user_signature=None if name is None else UserSignature(name))
    if expires_in is not None:
        token.set_expires_in(expires_in)
    return token


def fields_of(token: Any) -> list[str | None]:
    user = token.get_user_signature()
    return [
        token.get_id(),
        None if user is None else user.get_name(),
        token.get_client_id(),
        token.get_client_secret(),
        token.get_refresh_token(),
        token.get_access_token(),
        token.get_grant_token(),
        token.get_expires_in(),
        token.get_redirect_url(),
        token.get_api_domain(),
    ]


def call(store: Any, method: str, argument: Any) -> Any:
    given = () if argument is None else (make(argument) if isinstance(argument, dict) else argument,)
    try:
        returned = getattr(store, method)(*given)
    except Exception as error:  # noqa: BLE001  # told to the test
        return type(error).__name__
    if isinstance(returned, list):
        return [fields_of(token) for token in returned]
    return None if returned is None else fields_of(returned)


def main() -> None:
    for line in sys.stdin:
        path, calls = json.loads(line)
        store = FileStore(path)
        print(json.dumps([call(store, method, argument) for method, argument in calls]), flush=True)


if __name__ == "__main__":
    main()
