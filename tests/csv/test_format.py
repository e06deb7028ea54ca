"""The form of the file: pinned, exact for every text, and readable by the csv module alone."""

from __future__ import annotations

import csv
import hashlib
import io
import secrets
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.csv import support
from tests.csv.support import NAME, OWN_NAMES, SDK_NAMES, lines_of
from tests.support.hostile import KEPT_TEXTS, LONE_SURROGATE
from zoho_tokenstore.backends.csv._cells import cells_of, etag_of, id_of, key_of, row_of
from zoho_tokenstore.backends.csv._content import is_whole, parse, to_bytes
from zoho_tokenstore.backends.csv._form import Form
from zoho_tokenstore.errors import BackendError, UnreadableRowError
from zoho_tokenstore.records import COLUMNS, LOOKUPS, Row
from zoho_tokenstore.testing._backend import full_row
from zoho_tokenstore.testing._hostile import STORABLE_TEXTS

MARK = "0123456789abcdef"


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The random mark of every line is the same."""
    monkeypatch.setattr(secrets, "token_hex", lambda size: MARK[: 2 * size])


def file_of(*lines: str) -> bytes:
    body = "".join(f"{line}\r\n" for line in lines).encode()
    check = hashlib.sha256(body).hexdigest()[:32]
    last = hashlib.sha256(b"").hexdigest()[:8] if lines else ""  # the API domain of the last row
    return f"{SDK_NAMES},{OWN_NAMES},last={last} sha256={check}\r\n".encode() + body


def test_a_new_file(tmp_path: Path) -> None:
    """It has the SDK's ten columns, ours, and a checksum of what is below: nothing, here."""
    support.make(tmp_path)
    assert (tmp_path / NAME).read_bytes() == file_of()


@pytest.mark.usefixtures("marked")
def test_every_byte_of_a_file(tmp_path: Path) -> None:
    """Rows stand in the order of their first save; texts in UTF-8, lines end as the SDK's."""
    backend = support.make(tmp_path)
    etag = backend.write(Row("2", 'zoë, "z"', "1000.C", "secret", "r", "a", "", "123"), expect=None)
    backend.write(
        Row(
            "1",
            None,
            grant_token="\\g\r",
            created_at_ms=1,
            updated_at_ms=2,
            last_used_at_ms=3,
            identified_at_ms=4,
        ),
        expect=None,
    )
    backend.write(
        Row("2", 'zoë, "z"', "1000.C", "secret", "r", "A", "", "123", digests={"access_token": "d:1"}),
        expect=etag,
    )
    proof = hashlib.sha256(b"A").hexdigest()[:8]
    assert (tmp_path / NAME).read_bytes() == file_of(
        f'2,"zoë, ""z""",1000.C,secret,r,A,\\,123,,,,,,,,d:1:{proof},,{MARK}',
        f"1,,,,,,\\\\\\g\\r,,,,1,2,3,4,,,,{MARK}",
    )


def test_a_file_of_the_first_release_is_read(tmp_path: Path) -> None:
    """What the test above pins is read back, without being written."""
    proof = hashlib.sha256(b"A").hexdigest()[:8]
    data = file_of(
        f'2,"zoë, ""z""",1000.C,secret,r,A,\\,123,,,,,,,,d:1:{proof},,{MARK}',
        f"1,,,,,,\\\\\\g\\r,,,,1,2,3,4,,,,{MARK}",
    )
    (tmp_path / NAME).write_bytes(data)
    one, two = support.make(tmp_path).scan()
    assert one[:14] == ("1", None, None, None, None, None, "\\g\r", None, None, None, 1, 2, 3, 4)
    assert two[:10] == ("2", 'zoë, "z"', "1000.C", "secret", "r", "A", "", "123", None, None)
    assert isinstance(two, Row)
    assert dict(two.digests) == {"access_token": "d:1"}
    assert (tmp_path / NAME).read_bytes() == data


@pytest.mark.parametrize("name", STORABLE_TEXTS)
def test_ordinary_texts_stand_as_they_are(name: str) -> None:
    """Only an empty text, a carriage return and a backslash at the front are written otherwise."""
    text = STORABLE_TEXTS[name]
    cell = cells_of(Row("1", text))[1]
    assert (cell == text) is not ("\r" in text or text.startswith("\\"))


VALUES = st.one_of(st.none(), st.just(""), st.text(st.sampled_from('\\r\r\n",a')), KEPT_TEXTS)
ROWS = st.builds(
    lambda row_id, texts, times, digests: Row._make((row_id, *texts, *times, digests, None)),
    KEPT_TEXTS,
    st.tuples(*[VALUES] * 9),
    st.tuples(*[st.none() | st.integers()] * 4),
    st.dictionaries(
        st.sampled_from(["refresh_token", "access_token", "grant_token"]),
        st.text(KEPT_TEXTS.map(lambda t: t[0])),
    ),
)


@given(st.lists(ROWS, unique_by=lambda row: row.id, max_size=4))
def test_every_row_comes_back(rows: list[Row]) -> None:
    """Whatever texts, times and digests rows have, the file gives the same ones back."""
    data = to_bytes(map(cells_of, rows), Form())
    assert is_whole(data)
    lines = parse(data, "file").lines
    read = [row for line in lines.values() if isinstance(line, list) and isinstance(row := row_of(line), Row)]
    assert [row._replace(etag=None, digests=dict(row.digests)) for row in read] == rows
    for row, (row_id, cells) in zip(read, lines.items(), strict=True):
        assert isinstance(cells, list)
        assert row_id == id_of(cells) == row.id
        assert [key_of(cells, index) for index in LOOKUPS] == [row.lookup_key(index) for index in LOOKUPS]


@given(st.lists(ROWS, unique_by=lambda row: row.id, max_size=4))
def test_it_is_what_the_csv_module_writes(rows: list[Row]) -> None:
    """Byte for byte, however it is made."""
    lines = list(map(cells_of, rows))
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows(lines)
    assert to_bytes(lines, Form()).partition(b"\r\n")[2] == stream.getvalue().encode()


@given(st.lists(ROWS, unique_by=lambda row: row.id, min_size=1, max_size=2), st.data())
def test_no_part_of_a_file_is_whole(rows: list[Row], data: Any) -> None:
    """A file that is cut anywhere is not taken for one that was written to its end."""
    whole = to_bytes(map(cells_of, rows), Form())
    end = data.draw(st.integers(0, len(whole) - 1))
    assert not is_whole(whole[:end])


def test_an_edited_column_takes_its_digest_with_it() -> None:
    """A digest holds for the very text that it was made of; the other digests stay."""
    row = Row("1", access_token="a", refresh_token="r", digests={"access_token": "da", "refresh_token": "dr"})
    cells = cells_of(row)
    cells[COLUMNS.index("access_token")] = "edited"
    row_again = row_of(cells)
    assert isinstance(row_again, Row)
    assert dict(row_again.digests) == {"refresh_token": "dr"}
    assert key_of(cells, "access_token") == "edited"
    assert key_of(cells, "refresh_token") == "dr"


@pytest.mark.parametrize("at", range(18))
def test_the_etag_tells_every_edit(at: int) -> None:
    """Whichever cell of a line is changed, the etag is another one."""
    cells = cells_of(full_row())
    edited = [*cells]
    edited[at] += "0"
    assert etag_of(edited) != etag_of(cells)


def test_a_text_too_long_to_be_read_is_not_written(tmp_path: Path) -> None:
    """Python's csv module reads no more than 131,072 characters: such a text is refused."""
    backend = support.make(tmp_path)
    etag = backend.write(Row("1", "x" * 131_072), expect=None)
    with pytest.raises(BackendError, match=r"more than 131,072 characters.*Nothing was written"):
        backend.write(Row("1", "x" * 131_073), expect=etag)
    assert [row.etag for row in support.rows_of(support.reopen(tmp_path))] == [etag]


def test_a_lone_surrogate_is_refused_without_being_shown(tmp_path: Path) -> None:
    """No file can keep it; neither the error nor its cause has the text."""
    backend = support.make(tmp_path)
    with pytest.raises(BackendError, match="lone surrogate") as refused:
        backend.write(Row("1", access_token=f"very-secret{LONE_SURROGATE}"), expect=None)
    assert "very-secret" not in repr(refused.value)
    assert refused.value.__suppress_context__
    assert list(backend.scan()) == []


def test_a_time_that_is_no_number(tmp_path: Path) -> None:
    """Its row fails with the remedy; the others are found; it can be deleted."""
    backend = support.make(tmp_path)
    for row_id in "12":
        backend.write(Row(row_id, created_at_ms=7), expect=None)
    support.edit(tmp_path / NAME, "\r\n1,,,,,,,,,,7,", "\r\n1,,,,,,,,,,7e3,")
    with pytest.raises(
        UnreadableRowError, match=r"times is not a number.*Correct or delete that row"
    ) as refused:
        backend.load("1")
    assert refused.value.__cause__ is None
    assert backend.load("2") is not None
    assert backend.remove("1") is True
    assert [row.id for row in backend.scan()] == ["2"]


@pytest.mark.clear
def test_a_person_can_read_it(tmp_path: Path) -> None:
    """Any csv reader finds the ten columns under the SDK's names."""
    tokens = support.open_tokens(tmp_path / NAME)
    saved = tokens.save(support.token("alice"))
    header, line = lines_of(tmp_path / NAME)
    named = dict(zip(header, line, strict=False))
    assert (named["id"], named["user_name"], named["access_token"]) == (saved.id, "alice", "access-1")
