"""Files of all languages' SDKs: opened in place, and written so that those programs go on reading them."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.csv import support
from tests.csv.support import NAME, ROOT, SDK_NAMES, open_tokens, token
from zoho_tokenstore.backends.csv import CSVBackend
from zoho_tokenstore.backends.csv._content import is_whole, parse
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.records import Row, TokenRecord

pytestmark = pytest.mark.clear  # those programs' files are

FILES = ROOT / "tests" / "fixtures" / "token-files"
OPENED = sorted(file.name for file in FILES.iterdir() if file.name != "pylegacy.txt")
DOMAIN = "https://www.zohoapis.com"
ANN = "1,ann@x.example:1,1000.C,sec,1000.r1,1000.a1,,4102444800000,https://p.example/cb"
BOB = "2,bob@x.example:1,1000.C,sec,1000.r2,1000.a2,,4102444800000,https://p.example/cb"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / NAME


def rows_of(path: Path) -> list[Row]:
    return support.rows_of(CSVBackend(path))


def split(path: Path) -> list[list[str]]:
    """The rows as Node, TypeScript and C# read them: a cell ends at every comma, a row at every line end."""
    text = path.read_bytes().decode("utf-8-sig")
    return [line.split(",") for line in text.replace("\r\n", "\n").split("\n")[1:] if line.strip()]


def as_node_saves(path: Path, row: str) -> None:
    """Replace the row with this id, or add it, as Node, TypeScript, PHP and Scala do: no last line end."""
    lines = [line for line in path.read_bytes().decode().split("\n") if line.strip()]
    row_id = row.partition(",")[0]
    at = next((at for at, line in enumerate(lines) if line.split(",")[0] == row_id), len(lines))
    lines[at : at + 1] = [row]
    path.write_bytes("\n".join(lines).encode())


def values(row: Row) -> list[str]:
    return [text or "" for text in row[:10]]


@pytest.mark.parametrize("name", OPENED)
def test_every_row_is_found(path: Path, name: str) -> None:
    """By id, by user and by refresh token; the values are those of the file, a missing one is none."""
    shutil.copyfile(FILES / name, path)
    before = [[("" if cell == "null" else cell) for cell in cells] for cells in split(path)]
    rows = rows_of(path)
    assert [values(row)[: len(cells)] for row, cells in zip(rows, before, strict=True)] == before
    backend = CSVBackend(path)
    for row in rows:
        assert backend.load(row.id) == row
        assert backend.find("refresh_token", row.refresh_token or "") == [row]
        assert backend.find("user_name", row.user_name or "null") == ([row] if row.user_name else [])


@pytest.mark.parametrize("name", OPENED)
def test_the_file_keeps_its_form(path: Path, name: str) -> None:
    """Its names, line ends, the end of its last row and a byte order mark; each row is one line, unquoted."""
    shutil.copyfile(FILES / name, path)
    before = path.read_bytes()
    open_tokens(path).save(token("carol"))
    after = path.read_bytes()
    end = b"\r\n" if b"\r\n" in before else b"\n"
    assert after.startswith(before.splitlines()[0] + b",")
    assert after.replace(b"\r\n", b"").count(b"\r") == 0
    assert after.count(b"\n") == after.count(end) == before.count(b"\n") + 1
    assert after.endswith(end) == before.endswith(end)
    assert b'"' not in after
    assert is_whole(after)


@pytest.mark.parametrize("name", OPENED)
def test_those_programs_read_what_we_save(path: Path, name: str) -> None:
    """The first cells are the published ones in their places; the last cell is not empty, as Scala needs."""
    shutil.copyfile(FILES / name, path)
    tokens = open_tokens(path)
    stored = next(iter(tokens.scan()))
    tokens.save(stored.changed(access_token="renewed"))
    new = tokens.save(token("carol"))
    cells = {row[0]: row for row in split(path)}
    assert cells[stored.id or ""][5] == "renewed"
    assert cells[new.id or ""][:10] == [
        *(new.id, "carol", "1000.C", "secret", "refresh-carol", "access-1", "", "4102444800000", ""),
        DOMAIN,
    ]
    assert all(row[-1] for row in cells.values())
    with path.open(encoding="utf-8-sig", newline="") as file:
        assert [line for line in csv.reader(file) if line][1:] == list(cells.values())


@pytest.mark.parametrize("name", OPENED)
def test_and_we_what_they_save_then(path: Path, name: str) -> None:
    """A row that such a program updates or adds to a file of ours is read; the others keep what is ours."""
    shutil.copyfile(FILES / name, path)
    saved = open_tokens(path).save(token("carol"))
    width = len((FILES / name).read_text(encoding="utf-8").splitlines()[0].split(","))
    first = split(path)[0][0]
    as_node_saves(path, ",".join([first, *ANN.split(",")[1:], DOMAIN][:width]))
    as_node_saves(path, ",".join(["77", *BOB.split(",")[1:], DOMAIN][:width]))
    rows = {row.id: row for row in rows_of(path)}
    assert rows[first].user_name == "ann@x.example:1"
    assert rows["77"].user_name == "bob@x.example:1"
    assert rows[saved.id or ""].created_at_ms is not None


def test_the_word_null_is_missing_in_rows_of_scala_alone(path: Path) -> None:
    """Scala leaves no cell empty; in a row that has an empty one, null is a text."""
    text = f"{SDK_NAMES}\r\n1,null,c,s,r1,a,null,1,null,{DOMAIN}\r\n2,null,c,s,r2,a,,1,,{DOMAIN}\r\n"
    path.write_text(text, newline="")
    assert [row.user_name for row in rows_of(path)] == [None, "null"]
    assert [row.grant_token for row in rows_of(path)] == [None, None]


def test_a_file_of_the_first_sdks_is_refused_by_name(path: Path) -> None:
    """Six columns have neither ids nor client secrets; the message says so, and the file stays as it was."""
    shutil.copyfile(FILES / "pylegacy.txt", path)
    with pytest.raises(BackendError, match=r"zcrmsdk 3.*no ids and no client secrets.*log in again"):
        CSVBackend(path)
    assert path.read_bytes() == (FILES / "pylegacy.txt").read_bytes()


@pytest.mark.parametrize("text", ["x,y", 'x"y', "x\n9,eve", "x\r", "\\x"])
@pytest.mark.parametrize("column", ["user_name", "refresh_token", "redirect_url"])
def test_a_text_that_those_programs_would_take_for_several_cells(path: Path, text: str, column: str) -> None:
    """It is refused, also by a rehearsal, and names the column; in a file of Python's it is kept."""
    shutil.copyfile(FILES / "node8.txt", path)
    backend = CSVBackend(path)
    before = path.read_bytes()
    held: dict[str, Any] = {column: text}
    row = Row("9", **held)
    for call in (backend.write, backend.rehearse):
        with pytest.raises(BackendError, match=rf"{column} of row '9' contains a comma") as refused:
            call(row, expect=None)
        assert text not in str(refused.value)
    assert path.read_bytes() == before
    pythons = CSVBackend(path.with_name("python.txt"))
    pythons.write(row, expect=None)
    assert [found[:10] for found in pythons.scan()] == [row[:10]]


def test_a_quoted_name_of_another_program_does_not_hinder_a_refresh(path: Path) -> None:
    """What stands in the file already is written again as it was; only new texts are refused."""
    text = (FILES / "java8.txt").read_text().replace("ann@x.example:1", '"Ann, Ltd"')
    path.write_text(text)
    backend = CSVBackend(path)
    row = backend.load("1")
    assert row is not None
    backend.write(row._replace(access_token="renewed"), expect=row.etag)
    ann, _ = rows_of(path)
    assert (ann.user_name, ann.access_token) == ("Ann, Ltd", "renewed")


@pytest.mark.parametrize("header", ["ours", "Python's"])
@pytest.mark.parametrize("domain", ["https://www.zohoapis.eu", "https://www.zohoapis.com.au"])
def test_a_row_of_another_program_needs_no_line_end(path: Path, header: str, domain: str) -> None:
    """Whoever began the file: a row of ten cells whose domain is a whole one was not cut."""
    begin(path, header, DOMAIN)
    as_node_saves(path, f"{BOB},{domain}")
    assert {row.id: row.api_domain for row in rows_of(path)} == {"1": DOMAIN, "2": domain}


@pytest.mark.parametrize("row", [f"{ANN},{DOMAIN}", f"{BOB},{DOMAIN}", f"{BOB},"])
def test_nor_does_one_that_was_saved_in_a_file_of_ours(path: Path, row: str) -> None:
    """One that was added behind ours, or has the domain that the header tells, is whole with any domain."""
    begin(path, "ours", DOMAIN)
    as_node_saves(path, row)
    found = {row.id: values(row)[1:9] for row in rows_of(path)}
    assert found[row[0]] == row.split(",")[1:9]
    assert "1" in found


def test_nor_does_one_among_other_rows_of_that_program(path: Path) -> None:
    """Rows that end otherwise show that it was not Python's writer that wrote the last one."""
    path.write_bytes(f"{SDK_NAMES}\r\n{ANN},{DOMAIN}\n{BOB},".encode())
    assert [row.id for row in rows_of(path)] == ["1", "2"]


@pytest.mark.parametrize("header", ["ours", "Python's"])
@pytest.mark.parametrize("left", ["https://www.zohoapis.com", "https://www.zohoapis.", "https", ""])
def test_a_file_that_was_cut_in_its_last_cell(path: Path, header: str, left: str) -> None:
    """Python's writer ends every row, so the last one may lack more than its line end: refused."""
    begin(path, header, "https://www.zohoapis.com.au")
    data = path.read_bytes()
    cut = data[: data.rindex(b"https://www.zohoapis.com.au")] + left.encode()
    path.write_bytes(cut)
    with pytest.raises(BackendError, match=r"cut short: its last row lacks its line end.*complete or delete"):
        CSVBackend(path)
    assert path.read_bytes() == cut


@pytest.mark.long
@pytest.mark.parametrize("header", ["ours", "Python's"])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1))
def test_no_cut_changes_a_value(tmp_path: Path, header: str, share: float) -> None:
    """Wherever a file of Python's ends: what is read of it is what stood there, or it is refused."""
    path = tmp_path / NAME
    path.unlink(missing_ok=True)
    begin(path, header, "https://www.zohoapis.com.au", BOB)
    data = path.read_bytes()
    whole = dict(parse(data, "file").lines)
    try:
        left = parse(data[: round(share * len(data))], "file").lines
    except BackendError:
        return
    assert all([*whole[row_id]][:10] == [*cells][:10] for row_id, cells in left.items())


def begin(path: Path, header: str, domain: str, *more: str) -> None:
    """Make a file of Python's SDK, which ours has taken over or has not yet."""
    rows = "".join(f"{row},{domain}\r\n" for row in (ANN, *more))
    path.write_bytes(f"{SDK_NAMES}\r\n{rows}".encode())
    if header == "ours":
        CSVBackend(path).close()


def test_a_name_without_client_is_found_after_they_saved(path: Path) -> None:
    """The whole way through the store: a Node program renews the only row, and the look-up sees it."""
    tokens = open_tokens(path)
    saved = tokens.save(token("alice"))
    cells = split(path)[0][:10]
    cells[5] = "renewed"
    as_node_saves(path, ",".join(cells))
    found = open_tokens(path).find(TokenRecord(user_name="alice"))
    assert found is not None
    assert (found.id, found.access_token) == (saved.id, "renewed")
