"""Rows in a SQLite database in memory: for one process, and gone with it."""

from __future__ import annotations

import sqlite3
from typing import Final, Self
from urllib.parse import SplitResult

from zoho_tokenstore._local_leases import LocalLeases
from zoho_tokenstore._util.urls import refuse_address
from zoho_tokenstore.backend import SupportsLeases, SupportsScrub
from zoho_tokenstore.backends.sqlite import _schema as schema
from zoho_tokenstore.backends.sqlite._connections import SQLiteConnections, SQLiteHandle
from zoho_tokenstore.backends.sqlite._table import SQLiteTable

__all__ = ["MemoryBackend"]

_LOCK_TIMEOUT: Final = 30.0


class MemoryBackend(SQLiteTable, SupportsLeases, SupportsScrub):
    """The `oauthtoken` table in SQLite's memory mode, behind one connection that all threads share.

    After a fork, the child has its own copy.
    """

    def __init__(self) -> None:
        super().__init__(SQLiteConnections(_connect, "memory://", timeout=_LOCK_TIMEOUT, shared=True))
        self.leases = LocalLeases()

    def scrub(self) -> None:
        """Rebuild the database without what deleted and replaced rows have left in it."""
        self._connections.run(SQLiteHandle.vacuum)

    @classmethod
    def from_url(cls, parts: SplitResult) -> Self:
        """Open what ``memory://`` names: a new, empty database."""
        refuse_address(parts)
        return cls()


def _connect() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA secure_delete = ON")
    schema.upgrade(connection, "memory://")
    return connection
