"""Clauses about the ids of deleted tokens, which no other token ever gets."""

from __future__ import annotations

from typing import Any

import pytest

from zoho_tokenstore.errors import RetiredIdError, RowChangedError
from zoho_tokenstore.records import RetiredId
from zoho_tokenstore.testing._rows import SKEW_MS, content, full_row, now_ms


class BackendRetiredClauses:
    """Removing a row retires its id."""

    def test_removed_ids_are_retired(self, backend: Any) -> None:
        """A removed id is never written again, whatever the write expects; other ids are."""
        before = now_ms()
        for row_id in "123":
            backend.write(full_row(row_id), expect=None)
        etag = getattr(backend.load("2"), "etag", None)
        backend.remove("2")
        backend.remove("9")
        for _ in range(2):
            with pytest.raises(RetiredIdError):
                backend.write(full_row("2", "b"), expect=None)
        with pytest.raises(RowChangedError):
            backend.write(full_row("2", "b"), expect=etag)
        assert backend.load("2") is None
        assert list(backend.find("user_name", "user_name-b")) == []
        (retired,) = backend.retired.scan()
        assert retired.id == "2"
        assert before - SKEW_MS <= retired.at_ms <= now_ms() + SKEW_MS
        backend.write(full_row("9"), expect=None)
        assert [row.id for row in backend.scan()] == ["1", "3", "9"]

    def test_cleared_ids_are_retired(self, backend: Any) -> None:
        """`clear` retires the id of every row and records the time, which is later with every call."""
        assert backend.retired.cleared_ms() == 0
        for row_id in "123":
            backend.write(full_row(row_id), expect=None)
        backend.clear()
        first = backend.retired.cleared_ms()
        backend.clear()
        assert 0 < first < backend.retired.cleared_ms()
        assert [retired.id for retired in backend.retired.scan()] == ["1", "2", "3"]
        for row_id in "123":
            with pytest.raises(RetiredIdError):
                backend.write(full_row(row_id), expect=None)
        assert list(backend.scan()) == []

    def test_retired_ids_can_be_added_and_pruned(self, backend: Any) -> None:
        """Ids retired elsewhere can be added; those retired before a given time can be forgotten."""
        backend.write(full_row("b"), expect=None)
        backend.remove("b")
        assert backend.retired.add([RetiredId("a", 1), RetiredId("c", 2), RetiredId("b", 3)]) == 2
        assert backend.retired.add([RetiredId("a", 1)]) == 0
        assert [retired.id for retired in backend.retired.scan()] == ["a", "b", "c"]
        with pytest.raises(RetiredIdError):
            backend.write(full_row("c"), expect=None)
        assert backend.retired.prune(2) == 1
        assert backend.retired.prune(3) == 1
        assert backend.retired.prune(3) == 0
        assert [retired.id for retired in backend.retired.scan()] == ["b"]
        backend.write(full_row("c"), expect=None)
        assert content(backend.load("c")) == full_row("c")
