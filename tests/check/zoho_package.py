"""The token store of the package `zoho` behind the six methods of the SDK.

The package has `load(key)` and `save(key, token)`; its own client computes the key from the OAuth client, the
data centre and the environment. So the key is the id of a token here, and a query without a client or an id
finds nothing. The credentials of clients are settings, which every program of the package has: they are not
expected of the store.

It runs in an environment of its own, which tests.check.published makes: the package needs Python 3.12.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from zoho.core.auth import OAuth2RefreshAuthProvider
from zoho.core.token_store import OAuthToken as Entry
from zoho.core.token_store import SQLiteTokenStore
from zohocrmsdk.src.com.zoho.api.authenticator.store import TokenStore

from zoho_tokenstore.testing import fields_of, make_token

_SETTINGS: Final[dict[str, dict[str, str]]] = {}
"""The credentials of each client, by key."""

_ENTRY: Final = ("access_token", "refresh_token", "api_domain")


class ZohoPackageStore(TokenStore):  # type: ignore[misc]  # the SDK has no types
    """Its `SQLiteTokenStore`. It can neither list nor delete tokens."""

    def __init__(self, path: Path) -> None:
        self._store = SQLiteTokenStore(path)
        asyncio.run(self._store.load(""))  # makes the table, under a lock that belongs to one event loop

    def find_token(self, token: Any) -> Any:
        client_id, key = token.get_client_id(), token.get_id()
        if key is None and client_id is not None:
            key = self._key(client_id, token.get_client_secret() or "")
        found = None if key is None else self._load(key)
        for name, value in (found or {}).items():
            if value is not None and fields_of(token)[name] is None:
                getattr(token, f"set_{name}")(value)
        return None if found is None else token

    def find_token_by_id(self, id: str) -> Any:  # noqa: A002
        found = self._load(id)
        return None if found is None else make_token(**found)

    def save_token(self, token: Any) -> None:
        fields = fields_of(token)
        key = self._key(fields["client_id"], fields["client_secret"])
        entry = Entry(**{name: fields[name] for name in _ENTRY}, expires_at=_time_of(fields["expires_in"]))
        asyncio.run(self._store.save(key, entry))
        token.set_id(key)

    def delete_token(self, id: str) -> None:  # noqa: A002
        raise NotImplementedError("The store of `zoho` deletes nothing.")

    def delete_tokens(self) -> None:
        raise NotImplementedError("The store of `zoho` deletes nothing.")

    def get_tokens(self) -> list[Any]:
        raise NotImplementedError("The store of `zoho` lists nothing.")

    def _key(self, client_id: str, client_secret: str) -> str:
        client = OAuth2RefreshAuthProvider(
            client_id=client_id,
            client_secret=client_secret,
            refresh_token="",
            dc="US",
            environment="production",
            token_store=self._store,
        )
        key = str(client._cache_key)
        if client_secret:
            _SETTINGS[key] = {"client_id": client_id, "client_secret": client_secret}
        return key

    def _load(self, key: str) -> dict[str, Any] | None:
        entry = asyncio.run(self._store.load(key))
        if entry is None:
            return None
        expires_in = str(int(entry.expires_at.timestamp() * 1000))
        known = {name: getattr(entry, name) for name in _ENTRY}
        return {"id": key, "expires_in": expires_in, **known, **_SETTINGS.get(key, {})}


def make(folder: Path) -> ZohoPackageStore:
    return ZohoPackageStore(folder / "tokens.db")


def _time_of(expires_in: str | None) -> datetime:
    return datetime.fromtimestamp(int(expires_in or 0) / 1000, UTC)
