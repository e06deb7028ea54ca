"""The contract of a `Backend`, the protocol behind the stores of this package."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Final

import pytest

from zoho_tokenstore.backend import Backend
from zoho_tokenstore.clock import now_ms
from zoho_tokenstore.errors import BackendError, RetiredIdError, RowChangedError
from zoho_tokenstore.records import COLUMNS, LOOKUPS, SECRET_COLUMNS, RetiredId, Row
from zoho_tokenstore.testing._rows import content, full_row, rows
from zoho_tokenstore.testing.backend_bulk import BackendBulkClauses
from zoho_tokenstore.testing.backend_shared import BackendSharingClauses
from zoho_tokenstore.testing.hostile import HOSTILE_TEXTS, LOOKALIKES

__all__ = ["BackendContract", "content", "full_row", "rows"]

_SKEW_MS: Final = 600_000
"""How far the clock of a storage's server may be from ours, in milliseconds."""

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


class BackendContract(BackendBulkClauses, BackendSharingClauses):
    """The tests that prove a backend.

    Subclass it as ``Test…`` in a file that pytest collects, and define

    - ``make_backend(self, folder)``: return a backend without rows. `folder` is an empty folder of
      this test.
    - ``reopen(self, backend, folder)``: return a second handle on the same rows, as another process
      would open it; or set ``can_reopen = False`` if there can be none.
    """

    can_reopen: ClassVar[bool] = True

    def make_backend(self, folder: Path) -> Backend:
        """Return a backend without rows."""
        raise NotImplementedError(f"{type(self).__name__} must define make_backend(self, folder).")

    def reopen(self, backend: Backend, folder: Path) -> Backend:
        """Return a second handle on the rows of `backend`."""
        raise NotImplementedError(
            f"{type(self).__name__} must define reopen(self, backend, folder), or set can_reopen = False."
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
        if not self.can_reopen:
            pytest.skip(f"{type(self).__name__} says that its rows cannot be opened twice (can_reopen)")
        other = self.reopen(backend, tmp_path)
        yield other
        other.close()

    def test_load_gives_what_was_written(self, backend: Backend) -> None:
        """`load` returns every column and the bookkeeping as they were written, `None` as `None`."""
        backend.write(full_row("1"), expect=None)
        backend.write(Row(id="2"), expect=None)
        assert content(backend.load("1")) == full_row("1")
        assert content(backend.load("2")) == Row(id="2")

    def test_load_of_a_missing_row(self, backend: Backend) -> None:
        """`load` of an id that is not stored is `None`; ids are compared exactly."""
        assert backend.load("1") is None
        backend.write(full_row("12"), expect=None)
        assert [backend.load(row_id) for row_id in ("1", "012", "12 ", "", "id", "%")] == [None] * 6

    def test_write_returns_the_etag(self, backend: Backend) -> None:
        """The etag that `write` returns is the one that the row is read with, and is not `None`."""
        etag = backend.write(full_row(), expect=None)
        loaded = backend.load("1")
        assert loaded is not None
        assert etag is not None
        assert loaded.etag == etag
        assert [row.etag for row in rows(backend.find("user_name", "user_name-a"))] == [etag]
        assert [row.etag for row in rows(backend.scan())] == [etag]

    def test_write_ignores_the_rows_own_etag(self, backend: Backend) -> None:
        """Only `expect` decides; an etag inside the row that is written means nothing."""
        etag = backend.write(full_row()._replace(etag="made up"), expect=None)
        assert etag != "made up"
        backend.write(full_row(mark="b")._replace(etag="made up"), expect=etag)
        assert content(backend.load("1")) == full_row(mark="b")

    def test_write_of_a_new_row(self, backend: Backend) -> None:
        """With `expect=None` a row that exists already is refused and stays as it was."""
        backend.write(full_row(), expect=None)
        with pytest.raises(RowChangedError):
            backend.write(full_row(mark="b"), expect=None)
        assert content(backend.load("1")) == full_row()

    def test_write_replaces_the_whole_row(self, backend: Backend) -> None:
        """A write replaces every column and digest, also by `None`."""
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
        """A write that expects a row which was removed is refused, and the row stays away."""
        etag = backend.write(full_row(), expect=None)
        backend.remove("1")
        with pytest.raises(RowChangedError):
            backend.write(full_row(mark="b"), expect=etag)
        assert backend.load("1") is None

    def test_write_gives_new_etags(self, backend: Backend) -> None:
        """Every write gives another etag, the same values too; older ones are outdated from then on."""
        etags = [backend.write(full_row(), expect=None)]
        etags += [backend.write(full_row(), expect=etags[-1])]
        etags += [backend.write(full_row(), expect=etags[-1])]
        assert len(set(etags)) == len(etags)
        with pytest.raises(RowChangedError):
            backend.write(full_row(mark="b"), expect=etags[0])

    @pytest.mark.parametrize("index", LOOKUPS)
    def test_find_by_column(self, backend: Backend, index: str) -> None:
        """Each look-up finds the rows that hold its key in that column, however many, and no others."""
        for row_id, mark in (("1", "a"), ("2", "b"), ("3", "a")):
            backend.write(full_row(row_id, mark), expect=None)
        backend.write(Row(id="4"), expect=None)
        found = backend.find(index, f"{index}-a")
        assert sorted(row.id for row in found) == ["1", "3"]
        assert [content(row) for row in found if row.id == "3"] == [full_row("3")]
        assert backend.find(index, "nobody") == []
        assert backend.find(index, "") == []

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
        """A look-up under several keys returns the rows of all of them, each once."""
        for row_id, mark in (("1", "a"), ("2", "b"), ("3", "a"), ("4", "c")):
            backend.write(full_row(row_id, mark), expect=None)
        found = backend.find(index, f"{index}-b", "nobody", f"{index}-a", f"{index}-a")
        assert sorted(row.id for row in found) == ["1", "2", "3"]

    @pytest.mark.parametrize("index", LOOKUPS)
    def test_find_follows_changes(self, backend: Backend, index: str) -> None:
        """A changed row is found by its new key alone, a removed one by none."""
        etag = backend.write(full_row(), expect=None)
        backend.write(full_row(mark="b"), expect=etag)
        assert backend.find(index, f"{index}-a") == []
        assert list(map(content, backend.find(index, f"{index}-b"))) == [full_row(mark="b")]
        backend.remove("1")
        assert backend.find(index, f"{index}-b") == []

    @pytest.mark.parametrize("pair", LOOKALIKES)
    @pytest.mark.parametrize("index", LOOKUPS)
    def test_find_compares_exactly(self, backend: Backend, index: str, pair: str) -> None:
        """Keys and ids are compared code point by code point."""
        one, two = LOOKALIKES[pair]
        for text in (one, two):
            held: dict[str, Any] = {index: text}
            backend.write(Row(text, **held), expect=None)
        assert [row.id for row in backend.find(index, one)] == [one]
        assert [row.id for row in backend.find(index, two)] == [two]

    def test_scan_is_in_order(self, backend: Backend) -> None:
        """`scan` yields every row once, in the order of the ids' code points."""
        ids = ["10", "9", "a", "B", "é", "\U0001f393", "\uffff", "2"]
        for row_id in ids:
            backend.write(full_row(row_id), expect=None)
        assert list(map(content, backend.scan())) == [full_row(row_id) for row_id in sorted(ids)]

    def test_scan_goes_page_by_page(self, backend: Backend) -> None:
        """`after` begins behind that id, whether it is there or not; `limit` ends; both together page."""
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
        """Rows may be written and removed during a scan; what nobody touches is yielded once."""
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
        """`remove` deletes one row and tells whether there was one."""
        backend.write(full_row("1"), expect=None)
        backend.write(full_row("2"), expect=None)
        assert backend.remove("1") is True
        assert backend.remove("1") is False
        assert backend.remove("%") is False
        assert list(map(content, backend.scan())) == [full_row("2")]

    def test_clear(self, backend: Backend) -> None:
        """`clear` deletes all rows, returns how many there were, and leaves the backend usable."""
        assert backend.clear() == 0
        for row_id in "123":
            backend.write(full_row(row_id), expect=None)
        assert backend.clear() == 3
        assert list(backend.scan()) == []
        assert backend.find("user_name", "user_name-a") == []
        backend.write(full_row("4"), expect=None)
        assert content(backend.load("4")) == full_row("4")

    def test_removed_ids_are_retired(self, backend: Backend) -> None:
        """A removed id is never written again, also through another look-up; other ids are."""
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
        assert backend.find("user_name", "user_name-b") == []
        (retired,) = backend.retired.scan()
        assert retired.id == "2"
        assert before - _SKEW_MS <= retired.at_ms <= now_ms() + _SKEW_MS
        backend.write(full_row("9"), expect=None)
        assert [row.id for row in backend.scan()] == ["1", "3", "9"]

    def test_cleared_ids_are_retired(self, backend: Backend) -> None:
        """`clear` retires the id of every row, and tells by a time that grows that it was called."""
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

    def test_retired_ids_can_be_added_and_pruned(self, backend: Backend) -> None:
        """Ids retired elsewhere can be added; what was retired before a time can be forgotten."""
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

    def test_rehearsal_leaves_nothing(self, backend: Backend) -> None:
        """`rehearse` raises what `write` would, and leaves everything as it was."""
        rehearse = getattr(backend, "rehearse", None)
        if rehearse is None:
            return
        etag = backend.write(full_row("1"), expect=None)
        rehearse(full_row("2"), expect=None)
        rehearse(full_row("1", "b"), expect=etag)
        backend.write(full_row("3"), expect=None)
        backend.remove("3")
        assert list(map(content, backend.scan())) == [full_row("1")]
        assert backend.find("user_name", "user_name-b") == []
        assert [retired.id for retired in backend.retired.scan()] == ["3"]
        assert backend.write(full_row("1", "c"), expect=etag) != etag

    @pytest.mark.parametrize("name", HOSTILE_TEXTS)
    def test_hostile_texts_are_kept(self, backend: Backend, name: str) -> None:
        """Every hostile text comes back as it was from every column, and its row is found by it."""
        text = HOSTILE_TEXTS[name]
        columns: dict[str, Any] = dict.fromkeys(COLUMNS, text)
        row = Row(**columns)
        etag = backend.write(row, expect=None)
        assert content(backend.load(text)) == row
        assert [list(map(content, backend.find(index, text))) for index in LOOKUPS] == [[row]] * len(LOOKUPS)
        backend.write(row._replace(user_name="alice"), expect=etag)
        assert list(map(content, backend.scan())) == [row._replace(user_name="alice")]
        assert backend.remove(text) is True

    @pytest.mark.parametrize("use", _USES)
    def test_closed_is_closed(self, backend: Backend, use: str) -> None:
        """A closed backend may be closed again; every other use raises a `BackendError`."""
        backend.write(full_row(), expect=None)
        backend.close()
        backend.close()
        with pytest.raises(BackendError):
            _USES[use](backend)

    def test_secrets_stay_inside(self, backend: Backend) -> None:
        """No secret is in the text of a row, of the backend, of its location or of an error."""
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
