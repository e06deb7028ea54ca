"""Rows in a SQLite database in memory: for one process, gone with it."""

from __future__ import annotations

import sqlite3
from typing import Final, Self
from urllib.parse import SplitResult

from zoho_tokenstore.backends._sqlite import schema
from zoho_tokenstore.backends._sqlite.connections import Connections, Handle
from zoho_tokenstore.backends._sqlite.table import Table
from zoho_tokenstore.backends._urls import refuse_address

_LOCK_WAIT: Final = 30.0


class MemoryBackend(Table):
    """The `oauthtoken` table in SQLite's memory mode, behind one connection that all threads share.

    A child after a fork has a copy of its own.
    """

    def __init__(self) -> None:
        super().__init__(Connections(_connect, "memory://", timeout=_LOCK_WAIT, shared=True))

    def scrub(self) -> None:
        """Rebuild the database without what deleted and replaced rows have left in it."""
        self._connections.run(Handle.vacuum)

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
