"""The stores that the shared tests run over. A new one is added here, and nowhere else.

The environment variable ``ZOHO_TEST_STORES`` names those to test, divided by blanks; without it all
are. The Makefile sets it for the environments of older SDKs, which have no drivers.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import zoho_tokenstore as z
from tests.contract import places
from zoho_tokenstore import RepositoryStore, TokenRepository
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.registry import open_backend, open_store

VARIABLE: Final = "ZOHO_TEST_STORES"


class Case(NamedTuple):
    """How to come by a store: by its class, by its URL, or by its backend alone.

    Arguments:
        url: return where the store of a folder is. It has no tokens when it is first asked for.
        make_store: make that store by its class, with the options that every store has.
        is_shared: whether every handle on the URL, of any process, has the same tokens.
    """

    url: Callable[[Path], str]
    make_store: Callable[..., RepositoryStore]
    is_shared: bool = True

    def make_backend(self, folder: Path) -> Backend:
        """Return a backend without rows."""
        return open_backend(self.url(folder))

    def reopen_backend(self, backend: Backend, folder: Path) -> Backend:
        """Return another handle on its rows, or the same where there can be no other."""
        return open_backend(self.url(folder)) if self.is_shared else backend

    def reopen_store(self, store: RepositoryStore, folder: Path, **options: Any) -> RepositoryStore:
        """Return another handle on its tokens, as another process would open it."""
        if self.is_shared:
            return open_store(self.url(folder), **options)
        return RepositoryStore(TokenRepository(store.repository._backend, **options))


def _dynamodb_store(folder: Path, **options: Any) -> RepositoryStore:
    table, place = places.aws("dynamodb", folder)
    return z.DynamoDBStore(table, **place, **options)


def _secretsmanager_store(folder: Path, **options: Any) -> RepositoryStore:
    prefix, place = places.aws("secretsmanager", folder)
    return z.SecretsManagerStore(prefix, **place, **options)


def _sql(url: Callable[[Path], str]) -> Case:
    return Case(url, lambda folder, **options: z.SQLStore(url(folder), **options))


ALL: Final = {
    "sqlite": Case(places.sqlite, lambda folder, **options: z.SQLiteStore(folder / "tokens.db", **options)),
    "memory": Case(lambda _: "memory://", lambda _, **options: z.InMemoryStore(**options), is_shared=False),
    "list": Case(lambda _: "list://", lambda _, **options: z.ListStore(**options), is_shared=False),
    "csv": Case(places.csv, lambda folder, **options: z.CSVStore(folder / "tokens.csv", **options)),
    "sql": _sql(places.other_sql),
    "postgresql": _sql(places.postgresql),
    "mariadb": _sql(places.mariadb),
    "redis": Case(places.redis, lambda folder, **options: z.RedisStore(places.redis(folder), **options)),
    "dynamodb": Case(places.dynamodb, _dynamodb_store),
    "secretsmanager": Case(places.secretsmanager, _secretsmanager_store),
}

CASES: Final = {name: ALL[name] for name in os.environ.get(VARIABLE, "").split() or ALL}
"""The stores to test, by the schemes of their URLs."""
