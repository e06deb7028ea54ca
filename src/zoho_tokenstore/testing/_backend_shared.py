"""Clauses about a backend that several threads, or several handles, use at once."""

from __future__ import annotations

import threading
from typing import Any

from zoho_tokenstore.backend import Backend
from zoho_tokenstore.errors import RowChangedError
from zoho_tokenstore.records import COLUMNS, Row
from zoho_tokenstore.testing._subject import together, until

_THREADS = 8


def _wins(backend: Backend, row: Row, expect: object) -> bool:
    try:
        backend.write(row, expect=expect)
    except RowChangedError:
        return False
    return True


def _count_up(backend: Backend, turns: int) -> None:
    """Add one to the number in row 1 so many times, as compare-and-set allows it."""
    done = 0
    while done < turns:
        row = backend.load("1")
        assert row is not None
        number = int(row.user_name or "0") + 1
        done += _wins(backend, row._replace(user_name=str(number)), row.etag)


class BackendSharingClauses:
    """Compare-and-set holds between threads and between handles."""

    def test_one_of_many_inserts_wins(self, backend: Any) -> None:
        """Of several threads that insert one id at once, exactly one succeeds, and its row is stored."""
        rows = [Row(id="1", user_name=f"user{n}") for n in range(_THREADS)]
        won = together(_THREADS, lambda n: _wins(backend, rows[n], None))
        assert won.count(True) == 1
        assert [row.user_name for row in backend.scan()] == [rows[won.index(True)].user_name]

    def test_one_of_many_updates_wins(self, backend: Any) -> None:
        """Of several threads that replace one version at once, exactly one succeeds."""
        etag = backend.write(Row(id="1"), expect=None)
        rows = [Row(id="1", user_name=f"user{n}") for n in range(_THREADS)]
        won = together(_THREADS, lambda n: _wins(backend, rows[n], etag))
        assert won.count(True) == 1
        assert [row.user_name for row in backend.scan()] == [rows[won.index(True)].user_name]

    def test_a_removal_or_an_update_wins(self, backend: Any) -> None:
        """Of a removal and an update of one version at once, exactly one succeeds."""
        for turn in range(20):
            row = Row(str(turn))
            etag = backend.write(row, expect=None)

            def work(number: int, turn: int = turn, row: Row = row, etag: object = etag) -> bool:
                if number == turn % 2:  # each is the one who begins, in turn
                    return bool(backend.remove(row.id, expect=etag))
                return _wins(backend, row._replace(user_name="b"), etag)

            won = together(2, work)
            assert won.count(True) == 1
            assert (backend.load(row.id) is None) is won[turn % 2]

    def test_no_update_is_lost(self, backend: Any) -> None:
        """Threads that read, change and write one row, and repeat refused writes, lose no change."""
        backend.write(Row(id="1", user_name="0"), expect=None)
        together(4, lambda _: _count_up(backend, 10))
        assert backend.load("1").user_name == "40"

    def test_no_row_is_seen_half_written(self, backend: Any) -> None:
        """A row read during a write is the old or the new one, never a mixture."""
        marks: list[dict[str, Any]] = [dict.fromkeys(COLUMNS[1:], mark) for mark in "ab"]
        rows = [Row("1", **columns) for columns in marks]
        etag = backend.write(rows[0], expect=None)
        done = threading.Event()

        def write() -> None:
            nonlocal etag
            for turn in range(20):
                etag = backend.write(rows[turn % 2], expect=etag)

        def read() -> None:
            while not done.is_set():
                seen = [backend.load("1"), *backend.scan()]
                assert all(row._replace(etag=None) in rows for row in seen)

        together(4, lambda number: until(done, write) if number == 0 else read())

    def test_handles_see_each_other(self, backend: Any, other: Any) -> None:
        """What one handle writes or removes, another one sees at its next call."""
        etag = backend.write(Row(id="1", user_name="alice"), expect=None)
        assert other.load("1").user_name == "alice"
        assert [row.id for row in other.find("user_name", "alice")] == ["1"]
        newer = other.write(Row(id="1", user_name="bob"), expect=etag)
        assert backend.load("1").user_name == "bob"
        assert backend.load("1").etag == newer
        assert list(backend.find("user_name", "alice")) == []
        assert backend.remove("1") is True
        assert other.load("1") is None
        assert list(other.scan()) == []
        backend.write(Row(id="2"), expect=None)
        assert other.clear() == 1
        assert backend.load("2") is None

    def test_handles_compare_and_set(self, backend: Any, other: Any) -> None:
        """A handle cannot replace a version that another one replaced, or insert that row again."""
        etag = backend.write(Row(id="1", user_name="0"), expect=None)
        assert other.load("1").etag == etag
        assert _wins(backend, Row(id="1", user_name="0"), etag)
        assert not _wins(other, Row(id="1", user_name="late"), etag)
        assert not _wins(other, Row(id="1", user_name="late"), None)
        together(4, lambda number: _count_up((backend, other)[number % 2], 5))
        assert other.load("1").user_name == "20"
