"""Files that the SDK's FileStore has written: opened in place, or refused and left as they are."""

from __future__ import annotations

import csv
import os
import shutil
import stat
from pathlib import Path

import pytest

from tests.csv import support
from tests.csv.support import FIXTURE, NAME, SDK_NAMES, beside, lines_of, open_tokens, token, write_in_place
from zoho_tokenstore.backends.csv import CSVBackend
from zoho_tokenstore.backends.csv._content import is_whole
from zoho_tokenstore.errors import BackendError, ConfigurationError
from zoho_tokenstore.records import Row, TokenRecord

pytestmark = pytest.mark.clear  # the SDK's files are

ALICE = "1,alice,1000.C,secret,refresh-1,access-1,,4102444800000,https://p.example/cb,https://www.zohoapis.eu"
BOB = "2,bob,1000.C,secret,refresh-2,access-2,grant-2,4102444800000,,"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / NAME


def names(path: Path) -> dict[str, str | None]:
    return {row.id: row.user_name for row in CSVBackend(path).scan() if isinstance(row, Row)}


def test_a_real_file_is_taken_over(path: Path) -> None:
    """All tokens of a file of the SDK's are there, with their ids and every value."""
    shutil.copyfile(FIXTURE, path)
    with FIXTURE.open(encoding="utf-8", newline="") as file:
        before = list(csv.reader(file))[1:]
    rows = list(CSVBackend(path).scan())
    assert len(rows) == 24
    assert sorted([[text or "" for text in row[:10]] for row in rows]) == sorted(before)


def test_a_look_up_finds_its_tokens(path: Path) -> None:
    """By id, by user name and by refresh token."""
    shutil.copyfile(FIXTURE, path)
    tokens = open_tokens(path)
    found = tokens.find(TokenRecord(user_name="Zoë.Müller@zylker.example"))
    assert found is not None
    assert found.id == "7"
    assert tokens.get("7") == found
    assert found.refresh_token is not None
    assert (
        tokens.find(TokenRecord(refresh_token=found.refresh_token, client_id="x", client_secret="y")) is None
    )
    assert [row.id for row in CSVBackend(path).find("refresh_token", found.refresh_token)] == ["7"]


def test_taking_over_keeps_the_lines_and_adds_ours(path: Path) -> None:
    """The ten columns stay first, byte for byte; created and changed are the file's own time."""
    shutil.copyfile(FIXTURE, path)
    os.utime(path, ns=(1_700_000_000_123_456_789, 1_700_000_000_123_456_789))
    before = FIXTURE.read_bytes().splitlines()[1:]
    CSVBackend(path)
    after = path.read_bytes().splitlines()[1:]
    added = [line.removeprefix(start).split(b",") for line, start in zip(after, before, strict=True)]
    assert {tuple(cells[:-1]) for cells in added} == {
        (b"", b"1700000000123", b"1700000000123", b"", b"", b"", b"", b"")
    }
    assert len({cells[-1] for cells in added}) == 24
    assert is_whole(path.read_bytes())


def test_taking_over_happens_once(path: Path) -> None:
    """Opening a file of ours writes nothing."""
    shutil.copyfile(FIXTURE, path)
    CSVBackend(path)
    before = path.stat(), path.read_bytes()
    CSVBackend(path)
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before[0].st_mtime_ns, before[0].st_ino)
    assert path.read_bytes() == before[1]


READABLE = {
    "the SDK's ten columns": f"{SDK_NAMES}\r\n{ALICE}\r\n{BOB}\r\n",
    "nine columns of 2.x": (
        SDK_NAMES.replace("user_name", "user_mail").removesuffix(",api_domain")
        + "\r\n1,alice,1000.C,secret,r,a,,1,u\r\n2,bob,1000.C,secret,r,a,,1,u\r\n"
    ),
    "nine columns": (
        SDK_NAMES.removesuffix(",api_domain")
        + "\r\n1,alice,1000.C,secret,r,a,,1,u\r\n2,bob,1000.C,secret,r,a,,1,u\r\n"
    ),
    "line ends of Unix": f"{SDK_NAMES}\n{ALICE}\n{BOB}\n",
    "line ends of old Macs": f"{SDK_NAMES}\r{ALICE}\r{BOB}\r",
    "blank lines, as on Windows": f"{SDK_NAMES}\r\r\n{ALICE}\r\r\n\r\r\n{BOB}\r\r\n\r\n",
    "blank lines, as quoted by its migration": f'{SDK_NAMES}\r\n""\r\n{ALICE}\r\n""\r\n{BOB}\r\n',
    "a byte order mark": f"\ufeff{SDK_NAMES}\r\n{ALICE}\r\n{BOB}\r\n",
    "quotes around everything": '"'
    + f"{SDK_NAMES}\r\n{ALICE}\r\n{BOB}".replace(",", '","').replace("\r\n", '"\r\n"')
    + '"\r\n',
    "cells that a spreadsheet has added": f"{SDK_NAMES},,\r\n{ALICE},,\r\n{BOB},,\r\n,,,,,,,,,,,\r\n",
    "a row twice": f"{SDK_NAMES}\r\n{ALICE}\r\n{BOB}\r\n{ALICE}\r\n",
    "no line end behind the last row": f"{SDK_NAMES}\n{ALICE}\n{BOB}",
    "no line end behind a row that is complete": f"{SDK_NAMES}\r\n{BOB}\r\n{ALICE}",
}


@pytest.mark.parametrize("name", READABLE)
def test_what_can_be_read_is_read(path: Path, name: str) -> None:
    """However a file of the SDK's was edited or converted: its rows are there, before and after a save."""
    write_in_place(path, READABLE[name])
    assert names(path) == {"1": "alice", "2": "bob"}
    open_tokens(path).save(token("carol"))
    assert sorted(name or "" for name in names(path).values()) == ["alice", "bob", "carol"]
    header = READABLE[name].replace('"', "").splitlines()[0].rstrip(",").split(",")
    assert lines_of(path)[0][: len(header)] == header


def test_a_header_alone_is_an_empty_store(path: Path) -> None:
    """As FileStore leaves it after it was made, and after delete_tokens()."""
    write_in_place(path, f"{SDK_NAMES}\r\n")
    assert names(path) == {}


REFUSED = {
    "nothing": ("", r"empty \(0 bytes\).*Restore it"),
    "a byte order mark alone": ("\ufeff", r"empty"),
    "a blank line": ("\r\n", "not a token file of Zoho's SDK"),
    "another program's file": ("name,value\r\na,1\r\n", "not a token file of Zoho's SDK"),
    "no header": (f"{ALICE}\r\n{BOB}\r\n", "not a token file of Zoho's SDK"),
    "columns in another order": (
        f"{SDK_NAMES.replace('user_name,client_id', 'client_id,user_name')}\r\n{ALICE}\r\n",
        "not a token file of Zoho's SDK",
    ),
    "semicolons": (f"{SDK_NAMES}\r\n{ALICE}\r\n".replace(",", ";"), "not a token file of Zoho's SDK"),
    "columns of somebody else": (
        f"{SDK_NAMES},note\r\n{ALICE},mine\r\n",
        "columns that this release does not know",
    ),
    "the end cut off in a row": (f"{SDK_NAMES}\r\n{ALICE}\r\n2,bob,1000.C,secret,refr", "cut short"),
    "the end cut off in quotes": (f'{SDK_NAMES}\r\n{ALICE}\r\n2,"bob, the', "cut short"),
    "the end cut off in the last cell": (
        f"{SDK_NAMES}\r\n{BOB}\r\n{ALICE.removesuffix('eu')}com",
        "cut short: its last row lacks its line end",
    ),
    "the end cut off behind the header": (SDK_NAMES, "cut short: its header lacks its line end"),
}
SECRETS = ("refresh-", "access-", "grant-2", "secret", "refr\n")


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_and_kept(path: Path, name: str) -> None:
    """Opening says what is wrong and what to do, shows no secret, and changes no byte and no right."""
    text, said = REFUSED[name]
    write_in_place(path, text)
    path.chmod(0o644)
    for _ in range(2):
        with pytest.raises(BackendError, match=said) as refused:
            CSVBackend(path)
        assert not any(secret in f"{refused.value!r} {refused.value.__cause__!r}" for secret in SECRETS)
    assert path.read_bytes() == text.encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert beside(path) == set()


def test_another_encoding_is_refused_and_kept(path: Path) -> None:
    """Guessing would change names for good. The error carries nothing of the file."""
    data = f"{SDK_NAMES}\r\n{ALICE}\r\n".encode("utf-16")
    path.write_bytes(data)
    with pytest.raises(BackendError, match="not encoded in UTF-8") as refused:
        CSVBackend(path)
    assert refused.value.__cause__ is None
    assert path.read_bytes() == data


@pytest.mark.parametrize("name", REFUSED)
def test_damage_beneath_an_open_store(path: Path, name: str) -> None:
    """A file that is damaged while it is open fails every call, and no save overwrites what is left of it."""
    tokens = open_tokens(path)
    saved = tokens.save(token("alice"))
    text, _ = REFUSED[name]
    write_in_place(path, text)
    with pytest.raises(BackendError):
        tokens.get(saved.id or "")
    with pytest.raises(BackendError):
        tokens.find(TokenRecord(user_name="nobody"))
    for change in (lambda: tokens.save(token("bob")), lambda: tokens.delete("1"), tokens.clear):
        with pytest.raises(BackendError):
            change()
    assert path.read_bytes() == text.encode()


def test_a_file_that_is_gone(path: Path) -> None:
    """A file that is deleted beneath an open store is not taken for an empty one, nor made anew."""
    tokens = open_tokens(path)
    tokens.save(token("alice"))
    path.unlink()
    for call in (lambda: tokens.get("1"), lambda: tokens.save(token("bob")), tokens.clear, tokens.count):
        with pytest.raises(BackendError, match="it is gone"):
            call()
    assert not path.exists()
    assert open_tokens(path).count() == 0


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    """A folder, a pipe, and a folder that is not there are refused as settings."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for path, said in (
        ("folder", "not a file"),
        ("pipe", "not a file"),
        ("none/tokens.txt", "does not exist"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            CSVBackend(tmp_path / path)
    for wrong in ("", "a\0b"):
        with pytest.raises(ConfigurationError, match="non-empty string without NUL"):
            CSVBackend(wrong)
    assert {entry.name for entry in tmp_path.iterdir()} == {"folder", "pipe"}


def test_a_link_is_followed_once(tmp_path: Path) -> None:
    """Through a link and by its name one file and one lock are used; the link stays a link."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").mkdir()
    link = tmp_path / "link" / NAME
    link.symlink_to(tmp_path / "real" / NAME)
    through = CSVBackend(link)
    by_name = support.reopen(tmp_path / "real")
    assert through.location == by_name.location == str(tmp_path / "real" / NAME)
    through.write(Row("1"), expect=None)
    assert by_name.load("1") is not None
    assert link.is_symlink()
    assert [entry.name for entry in (tmp_path / "link").iterdir()] == [NAME]
