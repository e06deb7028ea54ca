"""A driver in Python, over a store of ours that keeps all clauses."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from zoho_tokenstore import SQLiteStore
from zoho_tokenstore.testing import fields_of, make_token
from zoho_tokenstore.testing._tokens import SDKException


class Driver:
    store: Any = None

    def open(self, protocol: int, folder: str) -> dict[str, Any]:
        if self.store is not None:
            self.store.close()
        self.store = SQLiteStore(Path(folder, "tokens.db"))
        about = {"name": "SQLiteStore", "version": "0", "sdk": "zohocrmsdk8-0", "concurrent": True}
        return {"protocol": protocol, **about}

    def find_token(self, token: dict[str, str]) -> dict[str, Any]:
        passed = make_token(**token)
        returned = self.store.find_token(passed)
        return {
            "passed": fields_of(passed),
            "returned": returned and fields_of(returned),
            "same": returned is passed,
        }

    def find_token_by_id(self, id: str | None) -> dict[str, str | None] | None:  # noqa: A002  # of the protocol
        found = self.store.find_token_by_id(id)
        return found and fields_of(found)

    def save_token(self, token: dict[str, str]) -> dict[str, Any]:
        passed = make_token(**token)
        self.store.save_token(passed)
        return {"passed": fields_of(passed)}

    def delete_token(self, id: str | None) -> None:  # noqa: A002  # of the protocol
        self.store.delete_token(id)

    def get_tokens(self) -> list[dict[str, str | None]]:
        return [fields_of(token) for token in self.store.get_tokens()]

    def delete_tokens(self) -> None:
        self.store.delete_tokens()


def answer(driver: Driver, line: str) -> None:
    request = json.loads(line)
    try:
        told = {"result": getattr(driver, request["method"])(**request["params"])}
    except Exception as error:  # noqa: BLE001  # the answer says which
        told = {"error": {"code": 1 if isinstance(error, SDKException) else 2, "message": str(error)}}
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": request["id"], **told}) + "\n")
    sys.stdout.flush()


def main() -> None:
    driver = Driver()
    with ThreadPoolExecutor() as pool:
        for line in sys.stdin:
            pool.submit(answer, driver, line)


main()
