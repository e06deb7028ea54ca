"""Clauses about what a backend may declare: `count`, `write_many` and `rehearse`."""

from __future__ import annotations

from typing import Any

from zoho_tokenstore.backend import SupportsCount, SupportsRehearsal, SupportsWriteMany
from zoho_tokenstore.records import COLUMNS, Row
from zoho_tokenstore.testing._hostile import STORABLE_TEXTS, short_id
from zoho_tokenstore.testing._rows import content, full_row, rows, skip_unless


class BackendBulkClauses:
    """Many rows are written as one by one, and counted without being read."""

    def test_count(self, backend: Any) -> None:
        """`count` returns the number of rows."""
        skip_unless(backend, SupportsCount)
        assert backend.count() == 0
        for row_id in "123":
            backend.write(full_row(row_id), expect=None)
        backend.remove("2")
        assert backend.count() == 2

    def test_many_new_rows_are_written(self, backend: Any) -> None:
        """`write_many` writes rows as `write` does, and returns the etags they are then read with."""
        skip_unless(backend, SupportsWriteMany)
        given = [full_row(f"{number:04}", str(number)) for number in range(1100)]
        given[7] = Row("0007")
        given[8] = Row("0008", user_name="eve", digests={"access_token": "digest"})
        etags = backend.write_many(given)
        assert list(backend.write_many([])) == []
        stored = rows(backend.scan())
        assert list(map(content, stored)) == given
        assert [row.etag for row in stored] == list(etags)
        assert None not in etags
        found = backend.find("access_token", "access_token-1099", "digest")
        assert sorted(row.id for row in found) == ["0008", "1099"]
        backend.write(full_row("0001", "b"), expect=etags[1])

    def test_many_new_rows_replace_none(self, backend: Any) -> None:
        """New rows whose id is taken or retired are left out and get no etag."""
        skip_unless(backend, SupportsWriteMany)
        backend.write(full_row("1"), expect=None)
        backend.write(full_row("2"), expect=None)
        backend.remove("2")
        etags = backend.write_many([full_row(row_id, "b") for row_id in "1234"])
        assert [etag is None for etag in etags] == [True, True, False, False]
        expected = [full_row("1"), full_row("3", "b"), full_row("4", "b")]
        assert list(map(content, backend.scan())) == expected
        assert sorted(row.id for row in backend.find("user_name", "user_name-b")) == ["3", "4"]

    def test_many_new_rows_may_hold_hostile_texts(self, backend: Any) -> None:
        """Every hostile string comes back unchanged from every column, and finds its row."""
        skip_unless(backend, SupportsWriteMany)
        columns: list[dict[str, Any]] = [dict.fromkeys(COLUMNS, text) for text in STORABLE_TEXTS.values()]
        given = [Row(**texts)._replace(id=short_id(texts["id"])) for texts in columns]
        assert None not in backend.write_many(given)
        for row in given:
            assert content(backend.load(row.id)) == row
            assert list(map(content, backend.find("access_token", row.access_token))) == [row]

    def test_rehearsal_leaves_nothing(self, backend: Any) -> None:
        """`rehearse` raises what `write` would, and changes nothing."""
        skip_unless(backend, SupportsRehearsal)
        etag = backend.write(full_row("1"), expect=None)
        backend.rehearse(full_row("2"), expect=None)
        backend.rehearse(full_row("1", "b"), expect=etag)
        backend.write(full_row("3"), expect=None)
        backend.remove("3")
        assert list(map(content, backend.scan())) == [full_row("1")]
        assert list(backend.find("user_name", "user_name-b")) == []
        assert [retired.id for retired in backend.retired.scan()] == ["3"]
        assert backend.write(full_row("1", "c"), expect=etag) != etag
