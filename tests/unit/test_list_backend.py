"""What is special about the plain list."""

from __future__ import annotations

import gc
import weakref

import pytest

from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.errors import BackendError, RowChangedError
from zoho_tokenstore.records import Row


def test_an_unchanged_row_is_the_same_object() -> None:
    """`load` hands out the very row until it is written again: what is built on it may be reused."""
    backend = ListBackend()
    etag = backend.write(Row("1"), expect=None)
    row = backend.load("1")
    assert backend.load("1") is row
    backend.write(Row("2"), expect=None)
    assert backend.load("1") is row
    backend.write(Row("1"), expect=etag)
    assert backend.load("1") is not row


def test_a_scan_is_of_one_moment() -> None:
    """A scan yields the rows of the moment at which it began."""
    backend = ListBackend()
    backend.write(Row("1"), expect=None)
    backend.write(Row("2"), expect=None)
    rows = backend.scan()
    backend.clear()
    assert [row.id for row in rows] == ["1", "2"]


def test_removal_and_insertion_of_one_row() -> None:
    """The first row is a row like any other: it is found, removed, and has an etag of its own."""
    backend = ListBackend()
    etags = [backend.write(Row(row_id), expect=None) for row_id in ("1", "2")]
    assert len(set(etags)) == 2
    assert backend.remove("1") is True
    assert [row.id for row in backend.scan()] == ["2"]


def test_a_refused_write_uses_up_nothing() -> None:
    """A refused write leaves list and etag as they were, and names the row, not its content."""
    backend = ListBackend()
    etag = backend.write(Row("1", access_token="very-secret"), expect=None)
    with pytest.raises(RowChangedError, match="'1'") as refused:
        backend.write(Row("1", access_token="very-secret"), expect=None)
    assert "very-secret" not in str(refused.value)
    assert [row.etag for row in backend.scan()] == [etag]


def test_closing_drops_the_tokens() -> None:
    """After `close` the rows are gone from memory, and the error names the kind of store."""
    backend = ListBackend()
    backend.write(Row("1", digests=(digests := _Digests(access_token="d"))), expect=None)
    held = weakref.ref(digests)
    del digests
    backend.close()
    gc.collect()
    assert held() is None
    with pytest.raises(BackendError, match="list store has been closed"):
        backend.load("1")


class _Digests(dict[str, str]):
    """A dictionary that can be watched."""
