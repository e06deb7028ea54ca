"""Rows and records: nothing is lost on the way, and nothing is shown."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.property.records import HOSTILE_RECORDS, RECORDS, TEXT_FIELDS
from tests.support.hostile import HOSTILE_TEXTS, LONE_SURROGATE, TEXTS
from zoho_tokenstore.errors import InvalidTokenError
from zoho_tokenstore.records import COLUMNS, LONGEST_ID, LOOKUPS, SECRET_COLUMNS, Row, TokenRecord
from zoho_tokenstore.records import record_from_row as record_of
from zoho_tokenstore.records import row_from_record as row_of

CELLS = st.none() | st.just("") | TEXTS


@given(record=HOSTILE_RECORDS | RECORDS)
def test_a_record_comes_back_from_its_row(record: TokenRecord) -> None:
    """A record made a row and read again is the same record, under the row's id."""
    assert record_of(row_of(record, "9000000001")) == record.changed(id="9000000001")


@given(
    cells=st.lists(CELLS, min_size=len(COLUMNS) - 2, max_size=len(COLUMNS) - 2),
    row_id=TEXTS,
    expiry=st.none() | st.integers(0, 2**43).map(str),
)
def test_a_row_comes_back_from_its_record(cells: list[str | None], row_id: str, expiry: str | None) -> None:
    """A stored row read as a record and written again is the same row, an empty text being none."""
    columns: dict[str, Any] = dict(zip(COLUMNS, [row_id, *cells[:6], expiry, *cells[6:]], strict=True))
    expected: dict[str, Any] = {name: value or None for name, value in columns.items()}
    assert row_of(record_of(Row(**columns)), row_id) == Row(**expected)


@given(
    row_id=TEXTS, text=TEXTS.filter(lambda text: not text.strip().lstrip("+-").replace("_", "").isdecimal())
)
def test_an_expiry_that_is_no_number_is_long_past(row_id: str, text: str) -> None:
    """A row whose expiry cannot be read is one to renew: no error, and no token that never ends."""
    assert record_of(Row(row_id, expiry_time=text)).expires_at_ms == 0


@pytest.mark.parametrize(
    "text",
    ["2026-11-24T10:00:00Z", "1700000000000.0", "1.79E+12", "None", "nan", "9" * 5000, f"{2**43 + 1}", "１x"],
)
def test_an_expiry_of_others_is_long_past(text: str) -> None:
    """What other programs write for an expiry is taken as expired, microseconds too."""
    assert record_of(Row("1", access_token="a", expiry_time=text)).expires_at_ms == 0


@given(secret=TEXTS.map(lambda text: f"very-secret-{text}"), column=st.sampled_from(SECRET_COLUMNS))
def test_no_secret_is_shown(secret: str, column: str) -> None:
    """The text of a record or a row tells no secret column."""
    record = TokenRecord(id="1").changed(**{column: secret})
    assert "very-secret" not in repr(record) + str(record) + f"{record}" + repr(row_of(record, "1"))
    assert f"{column}=<secret>" in repr(record)


@given(digest=TEXTS, text=TEXTS, index=st.sampled_from(LOOKUPS))
def test_a_digest_stands_for_its_column(digest: str, text: str, index: str) -> None:
    """A row is found by the digest of a look-up, and by the column where it has none."""
    held: dict[str, Any] = {index: text}
    row = Row("1", **held)
    assert row.lookup_key(index) == text
    assert row._replace(digests={index: digest}).lookup_key(index) == digest
    assert Row("1").lookup_key(index) is None


@given(record=HOSTILE_RECORDS, other=HOSTILE_RECORDS)
def test_records_are_values(record: TokenRecord, other: TokenRecord) -> None:
    """Records are equal and hash equal if all their fields are, however they were made."""
    twin = TokenRecord(**record.__dict__)
    assert twin == record == record.changed() == record.filled_from(TokenRecord())
    assert hash(twin) == hash(record.changed())
    assert (record == other) == (record.__dict__ == other.__dict__)


@pytest.mark.parametrize("name", TEXT_FIELDS)
def test_hostile_texts_are_kept_as_they_are(name: str) -> None:
    """Every hostile text is kept in every field, unchanged; a NUL and a long id are refused by name."""
    for text in HOSTILE_TEXTS.values():
        fields: dict[str, Any] = {name: text}
        if "\0" in text or (name == "id" and len(text) > LONGEST_ID):
            with pytest.raises(InvalidTokenError, match=name):
                TokenRecord(**fields)
        else:
            assert getattr(TokenRecord(**fields), name) == text


@pytest.mark.parametrize("name", TEXT_FIELDS)
@pytest.mark.parametrize("value", [1, b"text", True, ["a"], LONE_SURROGATE], ids=repr)
def test_what_is_no_text_is_refused(name: str, value: Any) -> None:
    """A field that is no valid text is refused by name, and its value is not shown."""
    with pytest.raises(InvalidTokenError, match=name) as refused:
        TokenRecord(**{name: value})
    assert "ud800" not in repr(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("name", ["expires_at_ms", "created_at_ms", "last_used_at_ms", "identified_at_ms"])
@pytest.mark.parametrize("value", ["1", 1.0, True, b"1"], ids=repr)
def test_what_is_no_time_is_refused(name: str, value: Any) -> None:
    """A time that is no whole number is refused by name."""
    with pytest.raises(InvalidTokenError, match=name):
        TokenRecord(**{name: value})
