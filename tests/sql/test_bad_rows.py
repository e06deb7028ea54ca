"""One bad row beside a hundred good ones harms nobody but itself."""

from __future__ import annotations

from typing import Final

import pytest

from tests.sql import support
from tests.sql.conftest import Open
from zoho_tokenstore.errors import UnreadableRowError
from zoho_tokenstore.records import LOOKUPS, Row, UnreadableRow
from zoho_tokenstore.testing._backend import full_row

INSERT: Final = "INSERT INTO oauthtoken (id, user_name, access_token{}) VALUES ({}, 'bad', 'secret-value'{})"
BAD: Final = {
    "a time that is no number": ("0bad", INSERT.format(", created_at_ms", "'0bad'", ", 'soon'")),
    "a binary token": ("0bad", INSERT.format(", refresh_token", "'0bad'", ", x'00ff'")),
    "a binary id": ("X'FF'", INSERT.format("", "x'ff'", "")),
    "a text that is none": ("0bad", INSERT.format(", grant_token", "'0bad'", ", CAST(x'ff' AS TEXT)")),
}


@pytest.mark.parametrize("kind", [support.OTHER])
@pytest.mark.parametrize("bad", BAD)
def test_a_bad_row_is_told_beside_the_others(kind: str, bad: str, url: str, open_: Open) -> None:
    """Every other row is listed, found, changed and deleted; the bad one is named, and shows no value."""
    backend = open_()
    good = [full_row(f"{number:03}", str(number)) for number in range(100)]
    etags = {row.id: backend.write(row, expect=None) for row in good}
    row_id, statement = BAD[bad]
    support.query(url, statement)
    found = list(backend.scan())
    assert [row._replace(etag=None, digests={}) for row in found if isinstance(row, Row)] == [
        row._replace(digests={}) for row in good
    ]
    (told,) = [row for row in found if isinstance(row, UnreadableRow)]
    assert told.id == row_id
    assert "secret-value" not in told.reason
    assert len(list(backend.scan(limit=101))) == 101
    for index in LOOKUPS:
        assert [row.id for row in backend.find(index, f"{index}-7")] == ["007"]
    backend.write(good[7]._replace(user_name="new"), expect=etags["007"])
    if bad != "a binary id":
        with pytest.raises(UnreadableRowError) as unreadable:
            backend.load(row_id)
        assert (unreadable.value.row_id, "secret-value" in str(unreadable.value)) == (row_id, False)
        assert backend.remove(row_id) is True
        assert len(list(backend.scan())) == 100
    assert backend.remove("008") is True
    assert backend.clear() == (100 if bad == "a binary id" else 99)


@pytest.mark.parametrize("kind", support.KINDS)
def test_an_empty_id(kind: str, url: str, open_: Open) -> None:
    """The row is listed before all others, and its id among those of deleted rows."""
    backend = open_()
    backend.write(Row("1"), expect=None)
    support.query(url, "INSERT INTO oauthtoken (id, user_name) VALUES ('', 'a')")
    assert [row.id for row in backend.scan()] == ["", "1"]
    assert [row.id for row in backend.scan(limit=1)] == [""]
    assert [row.id for row in backend.scan(after="")] == ["1"]
    assert backend.clear() == 2
    assert [retired.id for retired in backend.retired.scan()] == ["", "1"]


@pytest.mark.parametrize("kind", support.KINDS)
@pytest.mark.parametrize("expiry", ["2026-11-24T10:00:00Z", "1.79E+12", "None", "", "x"])
def test_an_expiry_that_is_no_number_is_passed_on(kind: str, expiry: str, url: str, open_: Open) -> None:
    """The text stays as it is: what it means is not the storage's to say."""
    backend = open_()
    support.query(url, f"INSERT INTO oauthtoken (id, expiry_time) VALUES ('1', '{expiry}')")
    row = backend.load("1")
    assert row is not None
    assert row.expiry_time == expiry
    backend.write(row._replace(expiry_time="1"), expect=row.etag)


@pytest.mark.parametrize("kind", support.SERVERS)
@pytest.mark.parametrize("etag", ["NULL", "-5"])
def test_a_mark_that_others_have_set(kind: str, etag: str, url: str, open_: Open) -> None:
    """The row can be read and written all the same."""
    backend = open_()
    backend.write(Row("1"), expect=None)
    support.query(url, f"UPDATE oauthtoken SET etag = {etag}")
    row = backend.load("1")
    assert row is not None
    backend.write(row._replace(user_name="a"), expect=row.etag)


@pytest.mark.parametrize("kind", [support.POSTGRESQL])
def test_an_expiry_that_becomes_a_number(kind: str, url: str, open_: Open) -> None:
    """Where somebody has changed the column's type under an open store, its decimal text is read."""
    backend = open_()
    backend.write(Row("1", expiry_time="17"), expect=None)
    support.query(url, "ALTER TABLE oauthtoken ALTER expiry_time TYPE bigint USING expiry_time::bigint")
    row = backend.load("1")
    assert row is not None
    assert row.expiry_time == "17"
