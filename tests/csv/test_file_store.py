"""Both ways with the SDK's own FileStore, of every release that is installed."""

from __future__ import annotations

import json
import select
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.csv import support
from tests.csv.support import FIXTURE, NAME, ROOT, SDK_NAMES, lines_of, open_tokens, token, write_in_place
from zoho_tokenstore.backends.csv import CSVBackend
from zoho_tokenstore.errors import RowChangedError
from zoho_tokenstore.records import Row, TokenRecord

pytestmark = pytest.mark.clear  # the SDK's own store is

SCRIPT: Final = Path(__file__).with_name("published.py")
INTERPRETERS: Final = {  # the file store of 8.0 up to 6.0.0 is that of 7.0, byte for byte
    "8.0": Path(sys.executable),
    **{release: ROOT / f".venv-sdk-{release}" / "bin" / "python" for release in ("7.0", "6.0", "5.0")},
}

FileStore = Callable[..., list[Any]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / NAME


@pytest.fixture(scope="module", params=INTERPRETERS)
def process(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """A process of one release of the SDK, which takes its time to be imported."""
    python = INTERPRETERS[request.param]
    if not python.exists():
        pytest.skip(f"SDK {request.param} is not installed here: make test-sdk-{request.param} installs it")
    with subprocess.Popen(
        [python, "-W", "ignore", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


@pytest.fixture
def file_store(process: subprocess.Popen[str], path: Path) -> FileStore:
    """Calls of a FileStore on the file, which is opened anew for each list of calls."""

    def do(*calls: tuple[Any, ...]) -> list[Any]:
        assert process.stdin
        assert process.stdout
        given = [(method, *argument, None)[:2] for method, *argument in calls]
        process.stdin.write(json.dumps([str(path), given]) + "\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], support.PATIENCE)
        assert ready, "the process of the SDK says nothing"
        answers: list[Any] = json.loads(process.stdout.readline())
        return answers

    return do


def login(name: str, access_token: str = "access-1", **more: str) -> dict[str, str]:
    return {
        "user_name": name,
        "client_id": "1000.C",
        "client_secret": "secret",
        "refresh_token": f"refresh-{name}",
        "access_token": access_token,
        "expires_in": "4102444800000",
        **more,
    }


def test_it_reads_what_we_write(path: Path, file_store: FileStore) -> None:
    """By id, by user, all: FileStore finds in our file what our own look-ups find."""
    tokens = open_tokens(path)
    alice, zoe = (tokens.save(token(name)) for name in ("alice", 'zoë, "z"'))
    for_alice = [alice.id, "alice", "1000.C", "secret", "refresh-alice", "access-1", None, "4102444800000"]
    everyone, by_id, found, nobody = file_store(
        ("get_tokens",),
        ("find_token_by_id", alice.id),
        ("find_token", {"user_name": "alice"}),
        ("find_token", {"user_name": "nobody"}),
    )
    expected = [*for_alice, None, "https://www.zohoapis.com"]
    assert everyone[0] == by_id == found == expected
    assert (everyone[1][0], everyone[1][1], len(everyone)) == (zoe.id, 'zoë, "z"', 2)
    assert nobody is None


def test_it_goes_on_where_we_stop(path: Path, file_store: FileStore) -> None:
    """It saves, updates and deletes in our file; ours reads that, and goes on in turn."""
    tokens = open_tokens(path)
    alice, bob = (tokens.save(token(name)) for name in ("alice", "bob"))
    tokens.close()
    file_store(
        ("save_token", login("carol")),
        ("save_token", login("alice", "access-2", id=alice.id or "")),
        ("delete_token", bob.id),
    )
    tokens = open_tokens(path)
    stored = {record.user_name: record for record in tokens.scan()}
    assert sorted(name or "" for name in stored) == ["alice", "carol"]
    assert stored["alice"] == alice.changed(
        access_token="access-2",
        created_at_ms=stored["alice"].created_at_ms,
        updated_at_ms=stored["alice"].updated_at_ms,
    )
    carol = tokens.save(stored["carol"].changed(access_token="access-3"))
    assert file_store(("find_token_by_id", carol.id))[0][5] == "access-3"


def test_we_read_what_it_writes(path: Path, file_store: FileStore) -> None:
    """A file that FileStore has made from nothing is taken over; None and an empty name are missing."""
    nameless = {"client_id": "c", "client_secret": "s", "refresh_token": "r", "access_token": "a"}
    file_store(("save_token", login("zoë")), ("save_token", nameless))
    assert path.read_text(encoding="utf-8").splitlines()[0] == SDK_NAMES
    rows = [row[:10] for row in CSVBackend(path).scan()]
    assert rows == [
        ("1", "zoë", "1000.C", "secret", "refresh-zoë", "access-1", None, "4102444800000", None, None),
        ("2", None, "c", "s", "r", "a", None, None, None, None),
    ]


def test_its_migration_of_nine_columns_and_ours_agree(path: Path, file_store: FileStore) -> None:
    """From a file of 2.x both make the same ten columns."""
    nine = SDK_NAMES.replace("user_name", "user_mail").removesuffix(",api_domain")
    text = f"{nine}\r\npython_alice_US_1234,alice@z.example,c,s,r,a,g,1,u\r\n7,bob@z.example,c,s,r,a,,2,\r\n"
    write_in_place(path, text)
    ours = [row[:10] for row in CSVBackend(path).scan()]
    write_in_place(path, text)
    theirs = file_store(("get_tokens",))[0]
    assert sorted(map(tuple, theirs)) == sorted(ours)
    assert sorted(row[:10] for row in CSVBackend(path).scan()) == sorted(ours)


def test_it_keeps_our_columns_of_other_rows(path: Path, file_store: FileStore) -> None:
    """It drops ours from the row that it writes, and leaves those of all others; our next save mends it."""
    backend = CSVBackend(path)
    for row_id in "12":
        backend.write(
            Row(row_id, f"user{row_id}", "c", "s", "r", "a", created_at_ms=5, digests={"refresh_token": "d"}),
            expect=None,
        )
    before = {row.id: row for row in support.rows_of(backend)}
    file_store(("save_token", login("user1", "access-2", id="1")))
    assert [len(line) for line in lines_of(path)] == [19, 10, 18]
    one, two = support.rows_of(backend)
    assert two == before["2"]
    assert (one.access_token, one.created_at_ms, dict(one.digests)) == ("access-2", None, {})
    assert one.etag != before["1"].etag
    backend.write(Row("3"), expect=None)
    assert [len(line) for line in lines_of(path)] == [19, 18, 18, 18]
    mended = backend.load("1")
    assert mended is not None
    assert mended.created_at_ms == mended.updated_at_ms is not None


def test_compare_and_set_notices_it(path: Path, file_store: FileStore) -> None:
    """What it has changed or deleted is not overwritten by who has not seen that."""
    backend = CSVBackend(path)
    changed, deleted = (
        backend.write(Row(row_id, f"user{row_id}", "c", "s", "r"), expect=None) for row_id in "12"
    )
    file_store(("save_token", login("user1", "access-2", id="1")), ("delete_token", "2"))
    for row_id, etag in (("1", changed), ("2", deleted)):
        with pytest.raises(RowChangedError):
            backend.write(Row(row_id, "late"), expect=etag)
    assert [(row.id, row.access_token) for row in support.rows_of(backend)] == [("1", "access-2")]


def test_back_to_a_value_that_was_ours(path: Path, file_store: FileStore) -> None:
    """If it writes exactly what was there, the version is another one all the same."""
    backend = CSVBackend(path)
    etag = backend.write(Row("1", "user1", "c", "s", "r", "a"), expect=None)
    same = {"id": "1", "user_name": "user1", "client_id": "c", "client_secret": "s", "refresh_token": "r"}
    file_store(("save_token", {**same, "access_token": "b"}), ("save_token", {**same, "access_token": "a"}))
    row = backend.load("1")
    assert row is not None
    assert row[:6] == ("1", "user1", "c", "s", "r", "a")
    assert row.etag != etag


def test_its_clearing_is_seen(path: Path, file_store: FileStore) -> None:
    """delete_tokens() leaves a header of its own; the open store is empty, and saves into it."""
    tokens = open_tokens(path)
    saved = tokens.save(token("alice"))
    file_store(("delete_tokens",))
    assert tokens.get(saved.id or "") is None
    assert tokens.count() == 0
    tokens.save(token("bob"))
    assert [record.user_name for record in tokens.scan()] == ["bob"]


def test_it_keeps_the_odd_texts_of_other_rows(path: Path, file_store: FileStore) -> None:
    """Line ends and quotes in rows that it does not write survive, although it reads them otherwise."""
    backend = CSVBackend(path)
    odd = Row("1", "a\r\nb\rc\nd", "\\r", "", None, "=1+1", '"', "1", "\ufeffx", "\\")
    backend.write(odd, expect=None)
    file_store(("save_token", login("bob")))
    row = backend.load("1")
    assert row is not None
    assert row[:10] == odd[:10]


def test_the_fixture_there_and_back(path: Path, file_store: FileStore) -> None:
    """A real file, taken over and saved to by us, gives FileStore its 24 tokens as before."""
    shutil.copyfile(FIXTURE, path)
    before = file_store(("get_tokens",))[0]
    tokens = open_tokens(path)
    new = tokens.save(token("new"))
    after = file_store(("get_tokens",))[0]
    assert [fields for fields in after if fields[0] != new.id] == before
    assert len(after) == len(before) + 1 == 25


def test_support_knows_its_names(path: Path) -> None:
    """What these tests take for our own columns is what a new file has."""
    support.make(path.parent)
    assert lines_of(path)[0][:18] == f"{SDK_NAMES},{support.OWN_NAMES}".split(",")
    assert open_tokens(path).find(TokenRecord(user_name="nobody")) is None
