"""Clauses about what a backend may do for many rows at once: `count` and `write_many`."""

from __future__ import annotations

from typing import Any

import pytest

from zoho_tokenstore.records import COLUMNS, Row
from zoho_tokenstore.testing._rows import content, full_row, rows
from zoho_tokenstore.testing.hostile import HOSTILE_TEXTS


def _optional(backend: Any, name: str) -> Any:
    return getattr(backend, name, None) or pytest.skip(f"this backend has no {name}, which is optional")


class BackendBulkClauses:
    """Many rows are written as one by one, and counted without being read."""

    def test_count(self, backend: Any) -> None:
        """`count` tells how many rows there are."""
        count = _optional(backend, "count")
        assert count() == 0
        for row_id in "123":
            backend.write(full_row(row_id), expect=None)
        backend.remove("2")
        assert count() == 2

    def test_many_new_rows_are_written(self, backend: Any) -> None:
        """`write_many` writes rows as `write` does, and returns the etags that they are read with."""
        write_many = _optional(backend, "write_many")
        given = [full_row(f"{number:04}", str(number)) for number in range(1100)]
        given[7] = Row("0007")
        given[8] = Row("0008", user_name="eve", digests={"access_token": "digest"})
        etags = write_many(given)
        assert write_many([]) == []
        stored = rows(backend.scan())
        assert list(map(content, stored)) == given
        assert [row.etag for row in stored] == list(etags)
        assert len(set(etags)) == len(given)
        found = backend.find("access_token", "access_token-1099", "digest")
        assert [row.id for row in found] == ["0008", "1099"]
        backend.write(full_row("0001", "b"), expect=etags[1])

    def test_many_new_rows_replace_none(self, backend: Any) -> None:
        """Of many new rows those are left out whose id is taken or retired; they get no etag."""
        write_many = _optional(backend, "write_many")
        backend.write(full_row("1"), expect=None)
        backend.write(full_row("2"), expect=None)
        backend.remove("2")
        etags = write_many([full_row(row_id, "b") for row_id in "1234"])
        assert [etag is None for etag in etags] == [True, True, False, False]
        expected = [full_row("1"), full_row("3", "b"), full_row("4", "b")]
        assert list(map(content, backend.scan())) == expected
        assert [row.id for row in backend.find("user_name", "user_name-b")] == ["3", "4"]

    def test_many_new_rows_may_hold_hostile_texts(self, backend: Any) -> None:
        """Every hostile text comes back as it was from every column, and its row is found by it."""
        write_many = _optional(backend, "write_many")
        columns: list[dict[str, Any]] = [dict.fromkeys(COLUMNS, text) for text in HOSTILE_TEXTS.values()]
        given = [Row(**texts) for texts in columns]
        assert None not in write_many(given)
        for row in given:
            assert content(backend.load(row.id)) == row
            assert list(map(content, backend.find("access_token", row.id))) == [row]
