"""The scan finds what is there, and tells it without showing it."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

import pytest

from tests.sealed import recorder
from tests.sealed.places import Places
from tests.sealed.recorder import Notes
from tests.sealed.scan import EXEMPTIONS, Findings, search
from tests.sealed.wanted import FORMS, Wanted, read_notes
from zoho_tokenstore.crypto.keyring import KeyRing

pytestmark = pytest.mark.clear  # they plant clear secrets, which a scan around them would find

SECRET = f"1000.planted.{secrets.token_hex(8)}"
NOTES = {SECRET: "access_token of a test"}


def searched(root: Path, wanted: Wanted | None = None) -> Findings:
    return search(root, [root], wanted or Wanted(NOTES))


def planted(root: Path, name: str, content: bytes) -> Path:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def test_a_secret_is_found_in_a_file_and_in_the_output(tmp_path: Path) -> None:
    """With the file and the place in it, and what is known of the secret; not the secret."""
    planted(tmp_path, "disk/pytest/tokens.db-wal", b"\0" * 5000 + SECRET.encode() + b"\xff")
    planted(tmp_path, "disk/pytest/others.db", b"\0" * 5000)
    planted(tmp_path, "said/pytest.txt", f"one line\nA token: {SECRET}\n".encode())
    findings = searched(tmp_path)
    assert sorted(map(str, findings.hits)) == [
        "disk/pytest/tokens.db-wal, byte 5,000: access_token of a test",
        "said/pytest.txt, byte 18: access_token of a test",
    ]
    assert findings.kinds == {"-wal": 1, "others": 2}
    assert findings.said == 19 + len(SECRET)
    assert findings.size == findings.said + 5000 + len(SECRET) + 1 + 5000


@pytest.mark.parametrize(
    "written",
    [
        lambda text: json.dumps(text).encode(),
        lambda text: repr(text).encode(),
        lambda text: text.encode(),
        lambda text: text.encode("utf-16"),
    ],
    ids=["JSON", "repr", "UTF-8", "UTF-16"],
)
@pytest.mark.parametrize(
    "text", ['tüttelchen"\\', "new\nline\0s", "plain-and-simple", "1234567" + "long" * 50]
)
def test_a_secret_is_found_however_it_is_written(tmp_path: Path, text: str, written: object) -> None:
    """Escaped or in another encoding, with quotes, line ends and NUL in it."""
    assert callable(written)
    planted(tmp_path, "file", b"x" + written(text) + b"x")
    assert [hit.what for hit in searched(tmp_path, Wanted({text: "it"})).hits] == ["it"]


def test_a_secret_that_is_cut_off_is_found(tmp_path: Path) -> None:
    """The first 64 bytes of a long one are enough."""
    planted(tmp_path, "file", b"y" * 64)
    assert len(searched(tmp_path, Wanted({"y" * 300: "it"})).hits) == 1


FORMED = {
    "a token or code of the emulator": f"1000.{'a1' * 16}.{'b2' * 16}",
    "a client secret of the emulator": "c3" * 21,
    "a token of the tests' own processes": "1000.refresh.worker7",
    "an access token of the tests' own processes": "access-3-14",
    "a sealing key": KeyRing.generate().to_text().strip(),
}


@pytest.mark.parametrize("what", FORMS)
def test_secrets_that_nobody_noted_are_known_by_their_form(tmp_path: Path, what: str) -> None:
    """Those of processes without the recorder; what only resembles them is none."""
    planted(tmp_path, "said/pytest.txt", f"({FORMED[what]})".encode())
    planted(tmp_path, "disk/others", f"{'d4' * 32} {'e5' * 20} 1000.{'A1' * 15} ztk1_… access-token".encode())
    assert [(hit.place, hit.what) for hit in searched(tmp_path).hits] == [("said/pytest.txt", what)]


def test_the_key_is_found_without_its_mark_and_as_bytes(tmp_path: Path) -> None:
    """As its text without the beginning, in hexadecimal, and as the 32 bytes that it is."""
    key = KeyRing.generate()
    text = key.to_text().strip()
    material = key.now.keys[0]._material  # type: ignore[union-attr]
    for number, content in enumerate((text[5:].encode(), material.hex().encode(), material)):
        planted(tmp_path, str(number), content)
    hits = searched(tmp_path, Wanted({}, [text])).hits
    assert [(hit.place, hit.what) for hit in hits] == [(str(n), "the key of this run") for n in range(3)]


def test_what_cannot_be_told_from_other_text_is_left_out(tmp_path: Path) -> None:
    """Secrets of less than eight characters or four different ones, and those that a row has elsewhere.

    Also what Hypothesis drew from our own source; if a test chose such a text, it is looked for.
    """
    lines = [
        ["access_token", "a1", "test 1", False],
        ["access_token", "1000.0000", "test 1", False],
        ["access_token", "1000.access", "test 1", False],
        ["refresh_token", "1000.access", "test 2", True],
        ["grant_token", "o'brien or 1=1", "test 2", False],
        ["user_name", "o'brien or 1=1", "test 3", False],
        ["client_id", "1000.client", "test 3", False],
        ["grant_token", "redirect_url", "test 4", True],
    ]
    planted(tmp_path, "values-1", "".join(f"{json.dumps(line)}\n" for line in lines[:4]).encode())
    planted(tmp_path, "values-2", "".join(f"{json.dumps(line)}\n" for line in lines[4:]).encode())
    notes = read_notes(tmp_path)
    assert notes.secrets == {"1000.access": "access_token of test 1"}
    assert (notes.common, notes.shared) == (3, 1)


def test_a_text_that_was_drawn_first_and_chosen_later_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which test came first is chance."""
    places = Places(tmp_path)
    places.make()
    notes = Notes(places)
    for drawn in (True, False):
        monkeypatch.setattr(recorder, "currently_in_test_context", lambda drawn=drawn: drawn)
        notes.value("grant_token", "redirect_url")
        assert ("redirect_url" in read_notes(places.notes).secrets) != drawn


def test_a_file_with_two_names_is_searched_once(tmp_path: Path) -> None:
    """And links are not followed: what they lead to is searched where it is."""
    file = planted(tmp_path, "file", SECRET.encode())
    (tmp_path / "again").hardlink_to(file)
    (tmp_path / "link").symlink_to(file)
    (tmp_path / "up").symlink_to(tmp_path)
    findings = searched(tmp_path)
    assert len(findings.hits) == 1
    assert findings.kinds.total() == 1


def test_an_exemption_covers_its_own_lines_alone(tmp_path: Path) -> None:
    """In another line, or another file, the same secret is found."""
    exemption = EXEMPTIONS[0]
    line = f"INFO httpx2: HTTP Request: POST http://127.0.0.1/?code={SECRET}\n".encode()
    planted(tmp_path, "said/log-1.txt", line)
    findings = searched(tmp_path)
    assert findings.hits == []
    assert findings.exempted == {exemption.why: 1}
    planted(tmp_path, "said/1.txt", line)
    planted(tmp_path, "said/log-1.txt", line + b"INFO uvicorn.access: " + line)
    assert [hit.place for hit in searched(tmp_path).hits] == ["said/1.txt", "said/log-1.txt"]
