"""Databases on servers that serve one test after the other.

To make the tables of a new one takes longer than most tests.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.sql import support
from tests.support.servers import mariadb, server
from zoho_tokenstore.backends.sql import SQLBackend


class Database:
    """A database with our tables.

    Arguments:
        kind: which server it is on.
        number: which of this process's databases it is.
    """

    def __init__(self, kind: str, number: int) -> None:
        self.url = support.url(kind, Path(f"{os.getpid()}/{number}"))
        if isinstance(server(kind), mariadb.Local):
            # Ours has no TLS, and to offer it the driver reads all certificates for each connection.
            self.url += "?ssl_disabled=true"
        SQLBackend(self.url).close()
        with support.driver(self.url) as connection:
            self._engine = connection.engine

    def empty(self) -> None:
        """Delete tokens, leases, and what is known of deleted tokens."""
        with self._engine.connect() as connection:
            for table in ("oauthtoken", "oauthtoken_retired", "oauthtoken_audit", "zoho_tokenstore_lease"):
                connection.exec_driver_sql(f"DELETE FROM {table}")
            connection.exec_driver_sql("UPDATE zoho_tokenstore SET value = '0' WHERE name LIKE 'cleared%%'")


class Databases:
    """The databases of this process on one server.

    A test that asks for the places of several folders gets a database for each. When the next
    test comes they are taken again, emptied.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._test = ""
        self._urls: dict[Path, str] = {}
        self._made: list[Database] = []

    def url(self, folder: Path) -> str:
        """Return the URL of the database that the folder has during this test."""
        test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
        if test != self._test:
            self._test, self._urls = test, {}
        if folder not in self._urls:
            self._urls[folder] = self._take(len(self._urls))
        return self._urls[folder]

    def _take(self, number: int) -> str:
        if number == len(self._made):
            self._made.append(Database(self._kind, number))
        self._made[number].empty()
        return self._made[number].url
