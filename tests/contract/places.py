"""Where the stores of tests are: for each folder a place of its own, empty when it is first asked for.

What knows a driver is imported when it is needed: the environments of older SDKs have no drivers.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote


def sqlite(folder: Path) -> str:
    return f"sqlite:///{quote(str(folder))}/tokens.db"


def csv(folder: Path) -> str:
    return f"csv:///{quote(str(folder))}/tokens.csv"


def other_sql(folder: Path) -> str:
    return f"sql+sqlite:///{folder}/tokens.db"


def postgresql(folder: Path) -> str:
    return _POSTGRESQL.place(folder)


def mariadb(folder: Path) -> str:
    return _MARIADB.place(folder)


@cache
def redis(folder: Path) -> str:
    from tests.redis import support

    support.make(folder).close()
    return support.url_of(folder)


def dynamodb(folder: Path) -> str:
    return _on_aws("dynamodb", folder)


def secretsmanager(folder: Path) -> str:
    return _on_aws("secretsmanager", folder)


def _on_aws(service: str, folder: Path) -> str:
    name, options = aws(service, folder)
    endpoint = quote(options["endpoint_url"], safe="")
    # The emulator is slow while the machine has other things to do.
    return f"{service}://{options['region']}/{name}?endpoint_url={endpoint}&timeout=30"


@cache
def aws(service: str, folder: Path) -> tuple[str, dict[str, Any]]:
    """Return the name of a place on AWS, and the options that lead there."""
    from tests.aws import support

    make: dict[str, Callable[[Path], Any]] = {
        "dynamodb": support.make_dynamodb,
        "secretsmanager": support.make_secretsmanager,
    }
    make[service](folder).close()
    return support.name_for(folder), {"region": support.REGION, "endpoint_url": support.endpoint()}


class _Databases:
    """Databases that serve one test after the other: to make the tables of one takes longer than most tests.

    A test that asks for the places of several folders gets a database for each. When the next
    test comes they are emptied.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._test = ""
        self._urls: dict[Path, str] = {}
        self._made: list[_Database] = []

    def place(self, folder: Path) -> str:
        test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
        if test != self._test:
            self._test, self._urls = test, {}
        if folder not in self._urls:
            self._urls[folder] = self._take(len(self._urls))
        return self._urls[folder]

    def _take(self, number: int) -> str:
        if number == len(self._made):
            self._made.append(_Database(self._kind, number))
        self._made[number].empty()
        return self._made[number].url


class _Database:
    """A database with our tables.

    Arguments:
        kind: which server it is on.
        number: which of this process's databases it is.
    """

    def __init__(self, kind: str, number: int) -> None:
        from tests.sql import support
        from tests.support.servers import mariadb, server
        from zoho_tokenstore.backends.sql import SQLBackend

        self.url = support.url(kind, Path(f"{os.getpid()}/{number}"))
        if isinstance(server(kind), mariadb.Local):
            # Ours has no TLS, and to offer it the driver reads all certificates for each connection.
            self.url += "?ssl_disabled=true"
        SQLBackend(self.url).close()
        with support.driver(self.url) as connection:
            self._engine = connection.engine

    def empty(self) -> None:
        """Delete tokens and leases."""
        with self._engine.connect() as connection:
            for table in ("oauthtoken", "zoho_tokenstore_lease"):
                connection.exec_driver_sql(f"DELETE FROM {table}")


_POSTGRESQL: Final = _Databases("postgresql")
_MARIADB: Final = _Databases("mariadb")
