"""A small application on the unmodified SDK: log in, create a lead, list the leads.

The tests call its functions. As a process of its own (``python -m tests.sdk.app``) it reads what to
do as JSON from its standard input, so that no secret stands in its arguments, and prints JSON.
"""

from __future__ import annotations

import ipaddress
import json
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
from zohocrmsdk.src.com.zoho.crm.api import HeaderMap, ParameterMap
from zohocrmsdk.src.com.zoho.crm.api.dc.data_center import DataCenter
from zohocrmsdk.src.com.zoho.crm.api.exception import SDKException
from zohocrmsdk.src.com.zoho.crm.api.initializer import Initializer
from zohocrmsdk.src.com.zoho.crm.api.record import BodyWrapper, GetRecordsParam, Record, RecordOperations
from zohocrmsdk.src.com.zoho.crm.api.user_signature import UserSignature

from tests.sdk.generation import SDK
from zoho_tokenstore import RefreshPolicy, RepositoryStore, TokenRepository, open_store
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.records import Row

__all__ = ["Initializer", "OAuthToken", "RefusedError", "SDKException", "connect", "create_lead", "leads"]

_MODULE: Final = "Leads"


class RefusedError(Exception):
    """CRM answered with an error, which the SDK returns instead of raising it."""


class LockedOutBackend(SQLiteBackend):
    """A storage whose saves always find the database locked by somebody else."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, timeout=0.05)

    def write(self, row: Row, *, expect: object) -> object:
        with closing(sqlite3.connect(self._path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            return super().write(row, expect=expect)


def locked_out_store(path: Path, *, refresh: bool = True, **options: Any) -> RepositoryStore:
    """Return a store on it, which renews or leaves that to the SDK."""
    repository = TokenRepository(LockedOutBackend(path), **options)
    return RepositoryStore(repository, refresh=RefreshPolicy() if refresh else None)


def token_of(user_name: str | None = None, **fields: Any) -> Any:
    """Return a token with these fields, as an application makes it."""
    signature = None if user_name is None else UserSignature(user_name)
    return OAuthToken(user_signature=signature, **fields)


def environment(urls: Sequence[str]) -> Any:
    """Return the environment for the three addresses; SDK 5 wants a name for it as well."""
    return DataCenter.Environment(*urls, *(["local"] if SDK.api == 5 else []))


def connect(token: Any, store: Any, urls: Sequence[str], resources: Path) -> None:
    """Initialize the SDK."""
    Initializer.initialize(
        environment=environment(urls), token=token, store=store, resource_path=str(resources)
    )


def create_lead(last_name: str) -> str:
    """Create a lead; return its id."""
    lead = Record()
    lead.add_key_value("Last_Name", last_name)
    body = BodyWrapper()
    body.set_data([lead])
    answer = _call("create_records", body).get_data()[0]
    return str(answer.get_details()["id"])


def leads() -> dict[str, str]:
    """Return the last name of every lead, with the name of the user who created it."""
    parameters = ParameterMap()
    parameters.add(GetRecordsParam.fields, "Last_Name,Created_By")
    found = _call("get_records", parameters, HeaderMap())
    records = [] if found is None else found.get_data()
    return {record.get_key_value("Last_Name"): record.get_created_by().get_name() for record in records}


def _call(method: str, *arguments: Any) -> Any:
    """Call CRM; return what it answered, `None` for nothing."""
    if SDK.api == 5:
        answer = getattr(RecordOperations(), method)(_MODULE, *arguments)
    else:
        answer = getattr(RecordOperations(_MODULE), method)(*arguments)
    if answer.get_status_code() >= 400:
        raise RefusedError(answer.get_object().get_code().get_value())
    return answer.get_object()


def main() -> None:
    """Do what standard input asks for."""
    sys.addaudithook(_refuse_foreign_hosts)
    task = json.load(sys.stdin)
    token = token_of(**task["token"])
    with _store_of(task) as store:
        connect(token, store, task["urls"], Path(task["resources"]))
        if "create" in task:
            create_lead(task["create"])
        print(json.dumps({"id": token.get_id(), "leads": leads()}))


def _store_of(task: dict[str, Any]) -> RepositoryStore:
    if "locked" in task:
        return locked_out_store(Path(task["locked"]), refresh=task["refresh"])
    return open_store(task["url"])


def _refuse_foreign_hosts(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        check_loopback(arguments[1])


def check_loopback(address: Any) -> None:
    """Raise if a socket is about to leave this machine."""
    if isinstance(address, tuple) and not ipaddress.ip_address(address[0]).is_loopback:
        raise AssertionError(f"A test tried to connect to {address[0]}.")


if __name__ == "__main__":
    main()
