"""The stores that the shared tests run over. A new one is added here, and nowhere else.

The environment variable ``ZOHO_TEST_STORES`` names those to test, divided by blanks; without it all
are. The Makefile sets it for the environments of older SDKs, which have no drivers. So what knows a
driver is imported here when it is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import zoho_tokenstore as z
from tests.support.chosen import chosen
from zoho_tokenstore import RepositoryStore, TokenRepository
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.registry import open_backend, open_store


class Case(NamedTuple):
    """How to come by a store: by its class, by its URL, or by its backend alone.

    Arguments:
        url: return where the store of a folder is. It has no tokens when a test first asks for it.
        make_store: make that store by its class, with the options that every store has.
        is_shared: whether every handle on the URL, of any process, has the same tokens.
        has_files: whether the tokens are in files of the folder.
    """

    url: Callable[[Path], str]
    make_store: Callable[..., RepositoryStore]
    is_shared: bool = True
    has_files: bool = False

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


def _sql(url: Callable[[Path], str]) -> Case:
    return Case(url, lambda folder, **options: z.SQLStore(url(folder), **options))


@cache
def _databases(kind: str) -> Any:
    from tests.contract.databases import Databases

    return Databases(kind)


def _database(kind: str, folder: Path) -> str:
    url: str = _databases(kind).url(folder)
    return url


@cache
def _redis(folder: Path) -> str:
    from tests.redis import support

    support.make(folder).close()
    return support.url_of(folder)


def _dynamodb_store(folder: Path, **options: Any) -> RepositoryStore:
    table, place = _aws("dynamodb", folder)
    return z.DynamoDBStore(table, **place, **options)


def _secretsmanager_store(folder: Path, **options: Any) -> RepositoryStore:
    prefix, place = _aws("secretsmanager", folder)
    return z.SecretsManagerStore(prefix, **place, **options)


@cache
def _aws(service: str, folder: Path) -> tuple[str, dict[str, Any]]:
    """Make a place on AWS, and return its name, and the options that lead there."""
    from tests.aws import support

    make: dict[str, Callable[[Path], Backend]] = {
        "dynamodb": support.make_dynamodb,
        "secretsmanager": support.make_secretsmanager,
    }
    make[service](folder).close()
    # The emulator is slow while the machine has other things to do.
    return support.name_for(folder), {
        "region": support.REGION,
        "endpoint_url": support.endpoint(),
        "timeout": 30,
    }


def _aws_url(service: str, folder: Path) -> str:
    name, place = _aws(service, folder)
    endpoint = quote(place["endpoint_url"], safe="")
    return f"{service}://{place['region']}/{name}?endpoint_url={endpoint}&timeout={place['timeout']}"


ALL: Final = {
    "sqlite": Case(
        lambda folder: f"sqlite:///{quote(str(folder))}/tokens.db",
        lambda folder, **options: z.SQLiteStore(folder / "tokens.db", **options),
        has_files=True,
    ),
    "memory": Case(lambda _: "memory://", lambda _, **options: z.InMemoryStore(**options), is_shared=False),
    "list": Case(lambda _: "list://", lambda _, **options: z.ListStore(**options), is_shared=False),
    "csv": Case(
        lambda folder: f"csv:///{quote(str(folder))}/tokens.csv",
        lambda folder, **options: z.CSVStore(folder / "tokens.csv", **options),
        has_files=True,
    ),
    "sql": _sql(lambda folder: f"sql+sqlite:///{folder}/tokens.db")._replace(has_files=True),
    "postgresql": _sql(partial(_database, "postgresql")),
    "mariadb": _sql(partial(_database, "mariadb")),
    "redis": Case(_redis, lambda folder, **options: z.RedisStore(_redis(folder), **options)),
    "dynamodb": Case(partial(_aws_url, "dynamodb"), _dynamodb_store),
    "secretsmanager": Case(partial(_aws_url, "secretsmanager"), _secretsmanager_store),
}

CASES: Final = {name: ALL[name] for name in chosen() or ALL}
"""The stores to test, by the schemes of their URLs."""

SHARED: Final = {name: case for name, case in CASES.items() if case.is_shared}
"""Those that several processes can share."""
