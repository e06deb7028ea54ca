"""Leases in the file: what the contract of all leases does not say."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.unit.renewal.support import NOW, FakeClock
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.renewal._lease_entry import LeaseEntry

KEEP_MS = 60_000


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens.db"


@pytest.fixture
def backend(path: Path, clock: FakeClock) -> Iterator[SQLiteBackend]:
    backend = SQLiteBackend(path)
    backend.leases._clock = clock
    yield backend
    backend.close()


def stored(path: Path) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT * FROM zoho_tokenstore_lease ORDER BY name").fetchall()


def test_a_lease_is_pinned(backend: SQLiteBackend, path: Path) -> None:
    """A row: its name, its text, and until when it is kept, in epoch milliseconds."""
    backend.leases.replace("a", "", "one", KEEP_MS)
    assert stored(path) == [("a", "one", NOW + KEEP_MS)]
    backend.leases.replace("a", "one", "two", 1)
    assert stored(path) == [("a", "two", NOW + 1)]


def test_what_need_not_be_kept_is_forgotten(
    backend: SQLiteBackend, path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One in 64 first texts deletes those whose time is up, and no others."""
    monkeypatch.setattr("zoho_tokenstore.backends.sqlite._leases.forgets_now", lambda: False)
    backend.leases.replace("new", "", "one", KEEP_MS)
    backend.leases.replace("old", "", "one", KEEP_MS - 1)
    clock.now += KEEP_MS
    backend.leases.replace("other", "", "one", KEEP_MS)
    assert [name for name, _, _ in stored(path)] == ["new", "old", "other"]
    monkeypatch.setattr("zoho_tokenstore.backends.sqlite._leases.forgets_now", lambda: True)
    backend.leases.replace("another", "", "one", KEEP_MS)
    assert [name for name, _, _ in stored(path)] == ["another", "new", "other"]


def test_a_damaged_lease_is_none_and_can_be_replaced(backend: SQLiteBackend, path: Path) -> None:
    """Text that is not UTF-8 counts as no entry, is shown nowhere, and a new entry takes its place."""
    backend.leases.replace("a", "", "one", KEEP_MS)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE zoho_tokenstore_lease SET text = CAST(X'7b7dff' AS TEXT)")
        connection.commit()
    damaged = backend.leases.read("a").text
    assert LeaseEntry.parse(damaged) == LeaseEntry()
    assert backend.leases.replace("a", "one", "two", KEEP_MS) is False
    assert backend.leases.replace("a", damaged, "two", KEEP_MS) is True
    assert backend.leases.read("a").text == "two"
