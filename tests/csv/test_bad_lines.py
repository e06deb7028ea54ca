"""One bad line harms its own row alone: it is told, kept as it is, and can be removed."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.csv.support import NAME, SDK_NAMES
from zoho_tokenstore.backends.csv import CSVBackend
from zoho_tokenstore.backends.csv._cells import cells_of
from zoho_tokenstore.backends.csv._content import to_bytes
from zoho_tokenstore.backends.csv._form import Form
from zoho_tokenstore.errors import BackendError, RetiredIdError, RowChangedError, UnreadableRowError
from zoho_tokenstore.records import Row, UnreadableRow

pytestmark = pytest.mark.clear  # its rows are those of a backend alone, or of Zoho's programs

GOOD = [f"{number:03}" for number in range(100)]
SECRET = "1000.very-secret"
OURS = ",".join(cells_of(Row("bad", "eve", "1000.C", SECRET, SECRET, SECRET, created_at_ms=7)))
THEIRS = f"bad,eve,1000.C,{SECRET},{SECRET},{SECRET},,4102444800000,,https://www.zohoapis.com"


class Bad(NamedTuple):
    """A line, the id that can be told of it, and what is said."""

    line: str
    id: str
    said: str


BAD = {
    "too few cells": Bad("bad,eve,1000.C", "bad", "3 cells, not 10 or 18"),
    "an id alone": Bad("bad", "bad", "1 cells"),
    "a cell less": Bad(THEIRS.replace(",1000.C", ""), "bad", "9 cells"),
    "a cell too many": Bad(f"{THEIRS},more", "bad", "11 cells"),
    "a cell of ours less": Bad(OURS.replace(",7,", ","), "bad", "17 cells"),
    "no id": Bad(THEIRS.removeprefix("bad"), "", "no id"),
    "no id in a row of ours": Bad(OURS.removeprefix("bad"), "", "no id"),
    "a secret where the id belongs": Bad(f"{SECRET},{SECRET}", "", "2 cells"),
    "a time that is no number": Bad(OURS.replace(",7,", ",7e3,"), "bad", "times is not a number"),
    "a time of another kind": Bad(OURS.replace(",7,", ",2026-11-24T10:00:00Z,"), "bad", "times is not"),
    "a quote that is not closed": Bad(THEIRS.replace("eve", '"eve'), "bad", "quotes do not match"),
    "a quote in the wrong place": Bad(THEIRS.replace("eve", '"e"ve'), "bad", "quotes do not match"),
    "NUL": Bad(THEIRS.replace("eve", "e\0ve"), "bad", "a NUL character"),
    "a block of NULs": Bad("\0" * 4096, "", "a NUL character"),
    "another encoding": Bad(THEIRS.replace("eve", "ev\udce9"), "bad", "not encoded in UTF-8"),
    "a cell that is too long": Bad(THEIRS.replace("eve", "e" * 131_073), "bad", "more than 131,072"),
    "a long cell in quotes": Bad(
        THEIRS.replace("eve", '"' + "e" * 131_073 + '"'), "bad", "more than 131,072"
    ),
    "a second header": Bad(",".join(Form().names), "", "repeats the first line"),
    "another program's line": Bad("# a comment; see the page", "", "1 cells"),
}
PLACES = {"first": 0, "in the middle": 50, "last": 100}


def whole(line: str = "", at: int = 50) -> bytes:
    """A file of a hundred good rows and this line."""
    rows = [Row(number, f"user{number}", "1000.C", "s", f"r{number}", f"a{number}") for number in GOOD]
    header, *lines = to_bytes(map(cells_of, rows), Form()).decode().splitlines()
    if line:
        lines.insert(at, line)
    return "".join(f"{text}\r\n" for text in (header, *lines)).encode(errors="surrogateescape")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / NAME


@pytest.mark.parametrize("at", PLACES)
@pytest.mark.parametrize("kind", BAD)
def test_the_good_rows_are_not_harmed(path: Path, kind: str, at: str) -> None:
    """They are listed, found, loaded, written and removed; the bad line is told beside them."""
    bad = BAD[kind]
    path.write_bytes(whole(bad.line, PLACES[at]))
    backend = CSVBackend(path)
    found = list(backend.scan())
    assert [row.id for row in found if isinstance(row, Row)] == GOOD
    (told,) = (row for row in found if isinstance(row, UnreadableRow))
    assert told.id == bad.id
    assert bad.said in told.reason
    assert SECRET not in repr(found)
    for number in GOOD[:: len(GOOD) // 4]:
        row = backend.load(number)
        assert row is not None
        assert backend.find("user_name", f"user{number}", "nobody") == [row]
        backend.write(row._replace(access_token="new"), expect=row.etag)
    assert backend.remove("099") is True
    backend.rehearse(Row("new"), expect=None)
    backend.write(Row("new"), expect=None)
    (after,) = (row for row in CSVBackend(path).scan() if isinstance(row, UnreadableRow))
    assert after.id == told.id
    assert bad.said in after.reason


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_line_stays_as_it_is(path: Path, kind: str) -> None:
    """Byte for byte, however often the rows around it are written."""
    line = BAD[kind].line.encode(errors="surrogateescape") + b"\r\n"
    path.write_bytes(whole(BAD[kind].line))
    for number in range(3):
        CSVBackend(path).write(Row(f"new{number}", 'a "quoted", name\n'), expect=None)
        assert path.read_bytes().count(b"\r\n" + line) == 1
    assert len([row for row in CSVBackend(path).scan() if isinstance(row, Row)]) == 103


@pytest.mark.parametrize("kind", [kind for kind, bad in BAD.items() if bad.id])
def test_it_can_be_removed_by_its_id(path: Path, kind: str) -> None:
    """Until then a look-up by the id tells what to do, and nobody gets the id; afterwards it is retired."""
    path.write_bytes(whole(BAD[kind].line))
    backend = CSVBackend(path)
    with pytest.raises(
        UnreadableRowError, match=r"Row 'bad' in .* cannot be read: .*Correct or delete that row"
    ):
        backend.load("bad")
    for expect in (None, "made up"):
        with pytest.raises(RowChangedError):
            backend.write(Row("bad"), expect=expect)
    assert backend.remove("bad") is True
    assert backend.remove("bad") is False
    assert backend.load("bad") is None
    with pytest.raises(RetiredIdError):
        backend.write(Row("bad"), expect=None)
    assert [row.id for row in CSVBackend(path).scan()] == GOOD


@pytest.mark.parametrize("kind", BAD)
def test_clear_deletes_it_too(path: Path, kind: str) -> None:
    """With a line that has no id nothing else is left of it."""
    path.write_bytes(whole(BAD[kind].line))
    backend = CSVBackend(path)
    assert backend.clear() == 101
    assert list(CSVBackend(path).scan()) == []
    assert {retired.id for retired in backend.retired.scan()} == {*GOOD, *({BAD[kind].id} - {""})}


def test_an_id_that_is_there_twice(path: Path) -> None:
    """Nobody can tell whose it is: neither row is served, both stay, and both go with the id."""
    twice = THEIRS.replace("bad", "050").replace(SECRET, "1000.other")
    path.write_bytes(whole(twice, 10))
    backend = CSVBackend(path)
    found = list(backend.scan())
    assert len([row for row in found if isinstance(row, Row)]) == 99
    told = [row for row in found if isinstance(row, UnreadableRow)]
    assert [row.id for row in told] == ["050", "050"]
    assert "another row has the same id" in told[0].reason
    with pytest.raises(UnreadableRowError):
        backend.load("050")
    assert backend.find("user_name", "eve", "user050") == []
    backend.write(Row("new"), expect=None)
    assert len(path.read_bytes().splitlines()) == 103
    assert backend.remove("050") is True
    assert len(list(CSVBackend(path).scan())) == 100


def test_a_bad_line_with_the_id_of_a_good_row(path: Path) -> None:
    """What is left of a torn write beside the row: the row is the row, and both go with the id."""
    path.write_bytes(whole("050,user050,1000"))
    backend = CSVBackend(path)
    row = backend.load("050")
    assert row is not None
    backend.write(row._replace(access_token="new"), expect=row.etag)
    assert len(list(backend.scan())) == 101
    assert backend.remove("050") is True
    assert len(list(backend.scan())) == 99


def test_an_expiry_that_is_no_number_is_passed_on(path: Path) -> None:
    """What it means is not for a file to say; the row is read like any other."""
    for text in ("x", "2026-11-24T10:00:00Z", "1700000000000.0", "1.79E+12", "None"):
        path.write_text(f"{SDK_NAMES}\r\n{THEIRS.replace('4102444800000', text)}\r\n", newline="")
        row = CSVBackend(path).load("bad")
        assert row is not None
        assert row.expiry_time == text


def test_texts_with_line_ends_are_no_bad_lines(path: Path) -> None:
    """A quoted cell may go over several lines, also beside a line with a stray quote."""
    rows = [Row(f"{number}", f'a "name"\nwith,{number}\n\n"lines"') for number in range(20)]
    header, body = to_bytes(map(cells_of, rows), Form()).decode().split("\r\n", 1)
    stray = BAD["a quote that is not closed"].line
    for at in (0, body.index("\r\n5,") + 2, len(body)):
        path.write_bytes(f"{header}\r\n{body[:at]}{stray}\r\n{body[at:]}".encode())
        found = list(CSVBackend(path).scan())
        assert sorted(row.user_name or "" for row in found if isinstance(row, Row)) == sorted(
            row.user_name or "" for row in rows
        )
        assert [row.id for row in found if isinstance(row, UnreadableRow)] == ["bad"]


@pytest.mark.long
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    line=st.binary(min_size=1, max_size=60).filter(lambda data: not {10, 13} & {*data}),
    at=st.integers(0, 100),
)
def test_no_line_harms_another(tmp_path: Path, line: bytes, at: int) -> None:
    """Whatever bytes stand in a line of their own: the hundred rows are read, and the line survives."""
    path = tmp_path / NAME
    header, *lines = whole().split(b"\r\n")[:-1]
    path.write_bytes(b"\r\n".join([header, *lines[:at], line, *lines[at:], b""]))
    try:
        backend = CSVBackend(path)
    except BackendError:
        pytest.fail("the file was refused")
    assert {row.id for row in backend.scan() if isinstance(row, Row)} >= {*GOOD}
    backend.write(Row("new"), expect=None)
    assert {row.id for row in CSVBackend(path).scan() if isinstance(row, Row)} >= {*GOOD, "new"}
    for file in tmp_path.iterdir():
        file.unlink()


def test_support_knows_its_widths(path: Path) -> None:
    """The lines that these tests damage are rows before."""
    for line in (OURS, THEIRS):
        path.write_bytes(whole(line))
        backend = CSVBackend(path)
        assert isinstance(backend.load("bad"), Row)
        backend.close()
    cells: list[Any] = next(csv.reader([THEIRS]))
    assert len(cells) == 10
