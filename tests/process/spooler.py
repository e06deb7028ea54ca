"""Renews or makes a login whose save fails, prints its id and access token, and waits to be killed.

Arguments: the store, the spool and the accounts server. Standard input has a line of JSON: the id of a
login, or a one-time code with the client's id and secret.
"""

from __future__ import annotations

import json
import sys
import time
from typing import NoReturn

from zoho_tokenstore import Client, Code
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.errors import BackendUnavailableError
from zoho_tokenstore.registry import open_tokens


def main(url: str, spool: str, accounts_url: str) -> None:
    login: list[str] = json.loads(sys.stdin.readline())
    SQLiteBackend.write = _fail  # type: ignore[method-assign]
    tokens = open_tokens(url, spool=spool, accounts_url=accounts_url)
    if len(login) == 1:
        record = tokens.get(login[0])
    else:
        code, client_id, secret = login
        api_domain = accounts_url.partition("/oauth")[0]
        record = tokens.log_in(
            Client(client_id, secret), Code(code), user_name="rajesh", api_domain=api_domain
        )
    print(json.dumps([record.id, record.access_token]), flush=True)
    time.sleep(60)


def _fail(*_: object, **__: object) -> NoReturn:
    raise BackendUnavailableError("The disk is full.")


if __name__ == "__main__":
    main(*sys.argv[1:])
