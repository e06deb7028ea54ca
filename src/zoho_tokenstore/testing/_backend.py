"""The contract of a `Backend`, the protocol behind the stores of this package."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from zoho_tokenstore.backend import Backend
from zoho_tokenstore.errors import BackendError, RowChangedError
from zoho_tokenstore.records import COLUMNS, LOOKUPS, SECRET_COLUMNS, Row
from zoho_tokenstore.testing._abilities import Ability, Declares
from zoho_tokenstore.testing._audit import BackendAuditClauses
from zoho_tokenstore.testing._backend_bulk import BackendBulkClauses
from zoho_tokenstore.testing._backend_retired import BackendRetiredClauses
from zoho_tokenstore.testing._backend_shared import BackendSharingClauses
from zoho_tokenstore.testing._hostile import STORABLE_LOOKALIKES, STORABLE_TEXTS, short_id
from zoho_tokenstore.testing._rows import content, full_row, rows

__all__ = ["BackendContract", "content", "full_row", "rows"]

_SECRET: Final = "1000.very-secret"  # noqa: S105  # made up
_DIGESTED: Final = ("access_token", "grant_token", "refresh_token")
_USES: Final[dict[str, Callable[[Backend], object]]] = {
    "load": lambda backend: backend.load("1"),
    "find": lambda backend: backend.find("user_name", "alice"),
    "scan": lambda backend: list(backend.scan()),
    "write": lambda backend: backend.write(Row(id="1"), expect=None),
    "remove": lambda backend: backend.remove("1"),
    "clear": lambda backend: backend.clear(),
}


class BackendContract(
    BackendRetiredClauses, BackendBulkClauses, BackendSharingClauses, BackendAuditClauses, Declares
):
    """The tests that prove a backend.

    Subclass it as ``Test…`` in a file that pytest collects, and define

    - ``make_backend(self, folder)``: return a backend without rows. `folder` is an empty folder of
      this test.
    - ``reopen(self, backend, folder)``: return a second handle on the same rows, as another process
      would open it; or set ``abilities = frozenset()`` if there can be none.
    """

    def make_backend(self, folder: Path) -> Backend:
        """Return a backend without rows."""
        raise NotImplementedError(f"{type(self).__name__} must define make_backend(self, folder).")

    def reopen(self, backend: Backend, folder: Path) -> Backend:
        """Return a second handle on the rows of `backend`."""
        raise NotImplementedError(
            f"{type(self).__name__} must define reopen(self, backend, folder), "
            "or set abilities = frozenset()."
        )

    @pytest.fixture
    def backend(self, tmp_path: Path) -> Iterator[Backend]:
        """A new backend."""
        backend = self.make_backend(tmp_path)
        yield backend
        backend.close()

    @pytest.fixture
    def other(self, backend: Backend, tmp_path: Path) -> Iterator[Backend]:
        """A second handle on the rows of `backend`."""
        self.need(Ability.SHARED)
        other = self.reopen(backend, tmp_path)
        yield other
        other.close()

    def test_load_gives_what_was_written(self, backend: Backend) -> None:
        """`load` returns every column and the bookkeeping as written, and `None` as `None`."""
        backend.write(full_row("1"), expect=None)
        backend.write(Row(id="2"), expect=None)
        assert content(backend.load("1")) == full_row("1")
        assert content(backend.load("2")) == Row(id="2")

    def test_load_of_a_missing_row(self, backend: Backend) -> None:
        """`load` of an id that isn't stored is `None`; ids are compared exactly."""
        assert backend.load("1") is None
        backend.write(full_row("12"), expect=None)
        assert [backend.load(row_id) for row_id in ("1", "012", "12 ", "", "id", "%")] == [None] * 6

    def test_write_returns_the_etag(self, backend: Backend) -> None:
        """The etag that `write` returns is the one the row is read with, and is not `None`."""
        etag = backend.write(full_row(), expect=None)
        loaded = backend.load("1")
        assert loaded is not None
        assert etag is not None
        assert loaded.etag == etag
        assert [row.etag for row in rows(backend.find("user_name", "user_name-a"))] == [etag]
        assert [row.etag for row in rows(backend.scan())] == [etag]

    def test_write_ignores_the_rows_own_etag(self, backend: Backend) -> None:
        """Only `expect` decides; an etag inside the written row means nothing."""
        etag = backend.write(full_row()._replace(etag="made up"), expect=None)
        assert etag != "made up"
        backend.write(full_row(mark="b")._replace(etag="made up"), expect=etag)
        assert content(backend.load("1")) == full_row(mark="b")

    def test_write_of_a_new_row(self, backend: Backend) -> None:
        """With `expect=None`, a row that already exists is refused and stays as it was."""
        backend.write(full_row(), expect=None)
        with pytest.raises(RowChangedError):
            backend.write(full_row(mark="b"), expect=None)
        assert content(backend.load("1")) == full_row()

    def test_write_replaces_the_whole_row(self, backend: Backend) -> None:
        """A write replaces every column and digest, even with `None`."""
        first = backend.write(full_row()._replace(digests={"access_token": "d1"}), expect=None)
        second = backend.write(full_row(mark="b"), expect=first)
        assert content(backend.load("1")) == full_row(mark="b")
        backend.write(Row(id="1"), expect=second)
        assert content(backend.load("1")) == Row(id="1")

    def test_write_refuses_the_outdated(self, backend: Backend) -> None:
        """A write that expects an older version is refused, and the row stays as it was."""
        first = backend.write(full_row(), expect=None)
        backend.write(full_row(mark="b"), expect=first)
        with pytest.raises(RowChangedError):
            backend.write(full_row(mark="c"), expect=first)
        assert content(backend.load("1")) == full_row(mark="b")

    def test_write_refuses_what_is_gone(self, backend: Backend) -> None:
        """A write that expects a removed row is refused, and the row stays removed."""
        etag = backend.write(full_row(), expect=None)
        backend.remove("1")
        with pytest.raises(RowChangedError):
            backend.write(full_row(mark="b"), expect=etag)
        assert backend.load("1") is None

    def test_write_gives_new_etags(self, backend: Backend) -> None:
        """Every write gives a new etag, even for the same values; older ones are then outdated."""
        etags = [backend.write(full_row(), expect=None)]
        etags += [backend.write(full_row(), expect=etags[-1])]
        etags += [backend.write(full_row(), expect=etags[-1])]
        assert [etags.count(etag) for etag in etags] == [1, 1, 1]
        with pytest.raises(RowChangedError):
            backend.write(full_row(mark="b"), expect=etags[0])

    @pytest.mark.parametrize("index", LOOKUPS)
    def test_find_by_column(self, backend: Backend, index: str) -> None:
        """Each look-up finds all rows with its key in that column, and no others."""
        for row_id, mark in (("1", "a"), ("2", "b"), ("3", "a")):
            backend.write(full_row(row_id, mark), expect=None)
        backend.write(Row(id="4"), expect=None)
        found = backend.find(index, f"{index}-a")
        assert sorted(row.id for row in found) == ["1", "3"]
        assert [content(row) for row in found if row.id == "3"] == [full_row("3")]
        assert list(backend.find(index, "nobody")) == []
        assert list(backend.find(index, "")) == []

    @pytest.mark.parametrize("index", _DIGESTED)
    def test_find_by_digest(self, backend: Backend, index: str) -> None:
        """A row with a digest for a look-up is found by the digest, and no longer by the column."""
        row = full_row()._replace(digests={index: "digest"})
        backend.write(row, expect=None)
        backend.write(full_row("2"), expect=None)
        assert list(map(content, backend.find(index, "digest"))) == [row]
        assert [found.id for found in backend.find(index, f"{index}-a")] == ["2"]
        assert content(backend.load("1")) == row
        assert {found.id: dict(found.digests) for found in rows(backend.scan())} == {
            "1": {index: "digest"},
            "2": {},
        }

    @pytest.mark.parametrize("index", LOOKUPS)
    def test_find_by_several_keys(self, backend: Backend, index: str) -> None:
        """A look-up with several keys returns the rows of all of them, each once."""
        for row_id, mark in (("1", "a"), ("2", "b"), ("3", "a"), ("4", "c")):
            backend.write(full_row(row_id, mark), expect=None)
        found = backend.find(index, f"{index}-b", "nobody", f"{index}-a", f"{index}-a")
        assert sorted(row.id for row in found) == ["1", "2", "3"]

    @pytest.mark.parametrize("index", LOOKUPS)
    def test_find_follows_changes(self, backend: Backend, index: str) -> None:
        """A changed row is found only by its new key, a removed one by none."""
        etag = backend.write(full_row(), expect=None)
        backend.write(full_row(mark="b"), expect=etag)
        assert list(backend.find(index, f"{index}-a")) == []
        assert list(map(content, backend.find(index, f"{index}-b"))) == [full_row(mark="b")]
        backend.remove("1")
        assert list(backend.find(index, f"{index}-b")) == []

    @pytest.mark.parametrize("index", LOOKUPS)
    def test_find_compares_exactly(self, backend: Backend, index: str) -> None:
        """Keys and ids are compared code point by code point."""
        for pair, texts in STORABLE_LOOKALIKES.items():
            for text in texts:
                held: dict[str, Any] = {index: text}
                backend.write(Row(short_id(text), **held), expect=None)
            for text in texts:
                assert [row.id for row in backend.find(index, text)] == [short_id(text)], pair

    def test_scan_is_in_order(self, backend: Backend) -> None:
        """`scan` yields every row once, in the order of the ids' code points."""
        ids = ["10", "9", "a", "B", "é", "\U0001f393", "\uffff", "2"]
        for row_id in ids:
            backend.write(full_row(row_id), expect=None)
        assert list(map(content, backend.scan())) == [full_row(row_id) for row_id in sorted(ids)]

    def test_scan_goes_page_by_page(self, backend: Backend) -> None:
        """`after` starts past that id, stored or not; `limit` ends the scan; together they page."""
        assert list(backend.scan()) == []
        for row_id in "acegi":
            backend.write(Row(id=row_id), expect=None)

        def ids(after: str | None = None, limit: int | None = None) -> str:
            return "".join(row.id for row in backend.scan(after=after, limit=limit))

        assert ids(after="c") == ids(after="b")[1:] == "egi"
        assert ids(after="i") == ids(limit=0) == ""
        assert ids(limit=2) == "ac"
        assert ids(after="c", limit=2) == ids(after="d", limit=2) == "eg"
        assert ids(limit=99) == "acegi"

    def test_scan_goes_on_while_rows_change(self, backend: Backend) -> None:
        """Rows may be written and removed during a scan; untouched ones are yielded once."""
        for row_id in "aceg":
            backend.write(Row(id=row_id), expect=None)
        seen = []
        for row in backend.scan():
            seen.append(row.id)
            if row.id == "a":
                backend.remove("c")
                backend.write(Row(id="z"), expect=None)
        assert [row_id for row_id in seen if row_id in "aeg"] == ["a", "e", "g"]

    def test_remove(self, backend: Backend) -> None:
        """`remove` deletes one row and returns whether there was one."""
        backend.write(full_row("1"), expect=None)
        backend.write(full_row("2"), expect=None)
        assert backend.remove("1") is True
        assert backend.remove("1") is False
        assert backend.remove("%") is False
        assert list(map(content, backend.scan())) == [full_row("2")]

    def test_remove_one_version(self, backend: Backend) -> None:
        """`remove` with an etag deletes only that version of a row, and retires its id only then."""
        old = backend.write(full_row("1"), expect=None)
        new = backend.write(full_row("1", "b"), expect=old)
        assert backend.remove("1", expect=old) is False
        assert (content(backend.load("1")), list(backend.retired.scan())) == (full_row("1", "b"), [])
        assert [backend.remove("1", expect=new) for _ in range(2)] == [True, False]
        assert (backend.load("1"), [retired.id for retired in backend.retired.scan()]) == (None, ["1"])

    def test_clear(self, backend: Backend) -> None:
        """`clear` deletes all rows, returns how many there were, and leaves the backend usable."""
        assert backend.clear() == 0
        for row_id in "123":
            backend.write(full_row(row_id), expect=None)
        assert backend.clear() == 3
        assert list(backend.scan()) == []
        assert list(backend.find("user_name", "user_name-a")) == []
        backend.write(full_row("4"), expect=None)
        assert content(backend.load("4")) == full_row("4")

    def test_hostile_texts_are_kept(self, backend: Backend) -> None:
        """Every hostile string comes back unchanged from every column, and finds its row."""
        for text in STORABLE_TEXTS.values():
            assert_kept(backend, text)

    @pytest.mark.parametrize("use", _USES)
    def test_closed_is_closed(self, backend: Backend, use: str) -> None:
        """A closed backend may be closed again; any other use raises a `BackendError`."""
        backend.write(full_row(), expect=None)
        backend.close()
        backend.close()
        with pytest.raises(BackendError):
            _USES[use](backend)

    def test_secrets_stay_inside(self, backend: Backend) -> None:
        """No secret is in the `str` or `repr` of a row, of the backend, of its location or of an error."""
        secrets: dict[str, Any] = dict.fromkeys(SECRET_COLUMNS, _SECRET)
        row = Row(id="1", **secrets, digests={"access_token": _SECRET})
        backend.write(row, expect=None)
        with pytest.raises(RowChangedError) as exists:
            backend.write(row, expect=None)
        with pytest.raises(RowChangedError) as changed:
            backend.write(row, expect="made up")
        loaded = backend.load("1")
        told = [repr(loaded), str(loaded), repr(backend), backend.location, *map(repr, backend.scan())]
        for error in (exists.value, changed.value):
            told += [str(error), repr(error), str(error.__cause__)]
        assert _SECRET not in "".join(told)


def assert_kept(backend: Backend, text: str) -> None:
    """Assert that a string comes back unchanged from every column, and finds its row."""
    columns: dict[str, Any] = dict.fromkeys(COLUMNS, text) | {"id": short_id(text)}
    row = Row(**columns)
    etag = backend.write(row, expect=None)
    assert content(backend.load(row.id)) == row
    assert [list(map(content, backend.find(index, text))) for index in LOOKUPS] == [[row]] * len(LOOKUPS)
    backend.write(row._replace(user_name="alice"), expect=etag)
    assert list(map(content, backend.scan())) == [row._replace(user_name="alice")]
    assert backend.remove(row.id) is True
