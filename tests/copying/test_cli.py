"""`zoho-tokens copy`: what it takes, what it says, and how it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.copying.support import in_order, make_backend, numbered, put, row, rows_of, run
from tests.copying.test_processes import command, keys_in
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.copying import copy
from zoho_tokenstore.copying._endpoints import Endpoint
from zoho_tokenstore.errors import BackendUnavailableError, ConfigurationError
from zoho_tokenstore.records import Row
from zoho_tokenstore.sealing import Keyset, count_by_key
from zoho_tokenstore.sealing._cipher import AESGCMCipher

pytestmark = pytest.mark.clear

ROWS = in_order(map(numbered, range(30)))
SOURCE = "sqlite:///tokens.db"
DESTINATION = "csv:///tokens.csv"


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ZOHO_TOKENSTORE_KEYS", raising=False)
    monkeypatch.delenv("ZOHO_TOKENSTORE_URL", raising=False)
    monkeypatch.chdir(tmp_path)


def fill(kind: str, rows: list[Row], keys: Keyset | None = None) -> None:
    with closing(make_backend(kind, Path())) as backend:
        put(backend, rows, keys)


def content(kind: str, keys: Keyset | None = None) -> list[Row]:
    with closing(make_backend(kind, Path())) as backend:
        return rows_of(backend, keys)


def succeeded(*arguments: object, **env: str) -> str:
    done = run(*arguments, env=env)
    assert done.exit_code == 0, done.output
    return done.output


def failed(*arguments: object, status: int = 1, env: dict[str, str] | None = None) -> str:
    done = run(*arguments, env=env)
    assert done.exit_code == status, done.output
    return " ".join(done.output.replace("│", " ").split())


def test_it_copies_and_says_what_it_did(tmp_path: Path) -> None:
    """How many rows, from where, to where, and that all of them are equal there."""
    fill("sqlite", ROWS)
    told = succeeded(SOURCE, DESTINATION)
    assert content("csv") == ROWS
    assert f"30 rows in {tmp_path / 'tokens.db'}\n" in told
    assert f"30 copied, 0 overwritten: {tmp_path / 'tokens.csv'}\n" in told
    assert re.search(r"All 30 are equal there \(SHA-256 [0-9a-f]{16}\)\n", told)
    again = succeeded(SOURCE, DESTINATION)
    assert "0 copied, 0 overwritten" in again
    assert again.splitlines()[-1] == told.splitlines()[-1]


def test_a_dry_run_makes_no_file_and_writes_no_row(tmp_path: Path) -> None:
    """It says what would be done; afterwards the folder and both stores are as they were."""
    fill("sqlite", ROWS)
    before = sorted(tmp_path.iterdir())
    told = succeeded(SOURCE, DESTINATION, "--dry-run")
    assert "30 would be copied, 0 would be overwritten: tokens.csv (not there yet)" in told
    assert "0 of 30 are equal there" in told
    assert sorted(tmp_path.iterdir()) == before
    fill("csv", [ROWS[0], ROWS[1]._replace(access_token="1000.access.other", updated_at_ms=1)])
    told = succeeded(SOURCE, DESTINATION, "--dry-run", "--on-conflict", "newer")
    assert "28 would be copied, 1 would be overwritten" in told
    assert len(content("csv")) == 2


def test_a_dry_run_finds_a_folder_that_is_missing() -> None:
    """As the run itself would."""
    fill("sqlite", ROWS)
    assert "does not exist" in failed(SOURCE, "csv:///nowhere/tokens.csv", "--dry-run")


# ---- keys


def test_each_side_has_its_own_keys(tmp_path: Path) -> None:
    """From one file of keys to another one."""
    old, new = keys_in(tmp_path / "old.keys"), keys_in(tmp_path / "new.keys")
    fill("sqlite", ROWS, old)
    succeeded(SOURCE, DESTINATION, "--src-keys", "file:old.keys", "--dst-keys", "file:new.keys")
    assert content("csv", new) == ROWS
    with closing(make_backend("csv", tmp_path)) as backend:
        assert dict(count_by_key(backend, new).by_key) == {new.ids[0]: 30}


def test_the_environments_keys_are_those_of_both_sides(tmp_path: Path) -> None:
    """Unless an option says otherwise; `clear` says that there are none."""
    keys = keys_in(tmp_path / "the.keys")
    fill("sqlite", ROWS)
    named = {"ZOHO_TOKENSTORE_KEYS": "file:the.keys"}
    assert "--src-keys clear" in failed(SOURCE, DESTINATION, env=named)
    succeeded(SOURCE, DESTINATION, "--src-keys", "clear", **named)
    assert content("csv", keys) == ROWS
    succeeded(DESTINATION, "sqlite:///sealed.db", **named)
    succeeded(DESTINATION, "sqlite:///clear.db", "--dst-keys", "clear", **named)
    with closing(SQLiteBackend("sealed.db")) as sealed, closing(SQLiteBackend("clear.db")) as clear:
        assert rows_of(sealed, keys) == rows_of(clear) == ROWS


def test_nothing_is_unsealed_by_a_forgotten_option(tmp_path: Path) -> None:
    """To write the secrets of a sealed source in clear has to be asked for."""
    keys = keys_in(tmp_path / "the.keys")
    fill("sqlite", ROWS, keys)
    told = failed(SOURCE, DESTINATION, "--src-keys", "file:the.keys")
    assert "--dst-keys clear" in told
    assert not content("csv")
    succeeded(SOURCE, DESTINATION, "--src-keys", "file:the.keys", "--dst-keys", "clear")
    assert content("csv") == ROWS


def test_rows_that_do_not_open_are_not_called_equal(tmp_path: Path) -> None:
    """The sum is about the others only, and says so."""
    old, new = keys_in(tmp_path / "old.keys"), keys_in(tmp_path / "new.keys")
    fill("sqlite", ROWS[:28], new)
    with closing(SQLiteBackend("tokens.db")) as backend:
        for row in ROWS[28:]:
            backend.write(AESGCMCipher(old).seal(row), expect=None)
    for option in ((), ("--dry-run",)):
        told = failed(SOURCE, DESTINATION, "--src-keys", "file:new.keys", "--dst-keys", "clear", *option)
        assert "All 30" not in told
    assert "28 of 30 are equal there" in told


def test_a_destination_with_other_keys_is_refused(tmp_path: Path) -> None:
    """It would become a mixture. Nothing is written."""
    old, _ = keys_in(tmp_path / "old.keys"), keys_in(tmp_path / "new.keys")
    fill("sqlite", ROWS)
    fill("csv", ROWS[:3], old)
    for keys in ("file:new.keys", "clear"):
        told = failed(SOURCE, DESTINATION, "--dst-keys", keys)
        assert "do not open with the keys" in told
        assert "--dst-keys" in told
    assert content("csv", old) == ROWS[:3]


def test_a_key_on_the_command_line_is_refused_and_not_shown() -> None:
    """On either side, as everybody can read a command line."""
    key = Keyset.generate().to_text().strip()
    for option in ("--src-keys", "--dst-keys"):
        assert "do not belong there" in failed(SOURCE, DESTINATION, option, key, status=2)


# ---- conflicts


def test_conflicts_are_listed_and_it_ends_with_one() -> None:
    """With both ids where there are two, and what to do; the others are copied."""
    fill("sqlite", [row("1"), row("2", "bob"), row("3", "carol")])
    other = row("9", "bob", access_token="1000.access.other")
    fill("csv", [row("1", access_token="1000.access.other"), other])
    told = failed(SOURCE, DESTINATION)
    assert "other versions of these, and was left as it is: 1, 2 (there: 9). Set --on-conflict" in told
    assert "1 copied" in told
    assert "1 of 3 are equal there" in told
    assert "1 rows there have other ids" in told


@pytest.mark.parametrize(("policy", "stays"), [("skip", "other"), ("newer", "1"), ("overwrite", "1")])
def test_on_conflict_decides(policy: str, stays: str) -> None:
    """And it ends with 0."""
    fill("sqlite", [row("1")])
    fill("csv", [row("1", access_token="1000.access.other", updated_at_ms=1)])
    succeeded(SOURCE, DESTINATION, "--on-conflict", policy)
    assert [one.access_token for one in content("csv")] == [f"1000.access.{stays}"]


def test_at_most_twenty_ids_are_shown_and_none_can_steer_a_terminal() -> None:
    """Control characters are shown as such, and long ids are cut."""
    strange = ["a\x1b[31m", "b\nError: c", "d" * 150]
    ids = [f"{number:02}" for number in range(20)]
    fill("sqlite", [row(row_id, f"user {row_id}") for row_id in (*ids[:17], *strange, *ids[17:])])
    fill(
        "csv", [row(row_id, "somebody else", client_id=row_id) for row_id in (*ids[:17], *strange, *ids[17:])]
    )
    told = failed(SOURCE, DESTINATION)
    assert "and 3 more" in told
    assert "\x1b" not in told
    assert "00, 01, 02" in told
    assert len(told) < 2000


def test_strange_ids_are_shown_as_python_writes_them() -> None:
    """In one line."""
    fill("sqlite", [row("a\x1b[31m\nb"), row("d" * 150, "bob")])
    fill("csv", [row("a\x1b[31m\nb", access_token="1000.access.x"), row("d" * 150, "bob", expiry_time="1")])
    assert "left as it is: 'a\\x1b[31m\\nb', " + "d" * 40 + "…. Set" in failed(SOURCE, DESTINATION)


# ---- where from, and where to


def test_a_source_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """Nor is its destination."""
    for source in ("sqlite:///missing.db", "csv:///missing.txt", "sql+sqlite:////missing/tokens.db"):
        assert "There is no store" in failed(source, DESTINATION)
        with pytest.raises(ConfigurationError, match="There is no store"):
            copy(source, DESTINATION)
    assert list(tmp_path.iterdir()) == []


def test_a_source_is_not_opened_for_nothing(tmp_path: Path) -> None:
    """If the destination cannot be opened, a published database is not taken over."""
    path = tmp_path / "tokens.db"
    path.write_bytes((Path(__file__).parents[1] / "fixtures" / "legacy" / "zohooauth.db").read_bytes())
    before = path.read_bytes()
    assert "does not exist" in failed(SOURCE, "csv:///nowhere/tokens.csv")
    assert path.read_bytes() == before


def test_one_store_is_refused(tmp_path: Path) -> None:
    """However its file is named."""
    fill("sqlite", ROWS)
    (tmp_path / "link.db").symlink_to("tokens.db")
    for same in (SOURCE, f"sqlite:///{tmp_path}/tokens.db", "sqlite:///link.db?timeout=5"):
        assert "are the same store" in failed(SOURCE, same)
        assert "are the same store" in failed(SOURCE, same, "--dry-run")


@pytest.mark.parametrize("pair", [("memory://", SOURCE), (SOURCE, "list://")])
def test_stores_inside_a_process_are_refused(pair: tuple[str, str]) -> None:
    """What is copied there would be gone with the command."""
    fill("sqlite", ROWS)
    assert "only in its own process" in failed(*pair)


def test_urls_may_stand_in_the_environment() -> None:
    """A URL with a password has no place on a command line either."""
    fill("sqlite", ROWS)
    succeeded("env:FROM_HERE", "env:TO_THERE", FROM_HERE=SOURCE, TO_THERE=DESTINATION)
    assert content("csv") == ROWS
    assert "FROM_HERE is not set" in failed("env:FROM_HERE", DESTINATION)


def test_a_password_in_a_url_is_not_shown() -> None:
    """Neither in an error."""
    fill("sqlite", ROWS)
    url = "redis://user:hunter2-password@127.0.0.1:1/0?timeout=1"
    assert "hunter2" not in failed(SOURCE, url)
    assert "hunter2" not in failed(url, DESTINATION)


def test_an_empty_source_is_pointed_out() -> None:
    """It is no failure, but perhaps another store than the one that was meant."""
    fill("sqlite", [])
    assert "The source is empty" in succeeded(SOURCE, DESTINATION)


# ---- failures


def test_a_failure_half_way_says_how_far_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    """And that it can be run again. What was copied stays."""
    fill("sqlite", ROWS)
    write = Endpoint.write

    def fails(self: Endpoint, row: Row, expect: object) -> object:
        if row.id >= ROWS[7].id:
            raise BackendUnavailableError("The disk is full.")
        return write(self, row, expect)

    monkeypatch.setattr(Endpoint, "write", fails)
    told = failed(SOURCE, DESTINATION)
    assert "Not finished. The 7 rows that were copied stay; run it again to continue." in told
    assert "Error: The disk is full." in told
    monkeypatch.setattr(Endpoint, "write", write)
    assert "23 copied" in succeeded(SOURCE, DESTINATION)


def test_rows_that_are_refused_are_listed_with_the_first_reason() -> None:
    """It ends with 1."""
    fill("sqlite", [row("1"), row("2", "x" * 200_000), row("3", "carol")])
    told = failed(SOURCE, DESTINATION)
    assert "The destination did not take these: 2. The first:" in told
    assert [one.id for one in content("csv")] == ["1", "3"]


@pytest.mark.long
def test_ctrl_c_leaves_whole_rows_and_ends_with_130(tmp_path: Path) -> None:
    """It says that it can be run again, and then goes on with what is missing."""
    count = 3000
    fill("sqlite", in_order(map(numbered, range(count))))
    process = subprocess.Popen(
        command(SOURCE, DESTINATION),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        destination = tmp_path / "tokens.csv"
        deadline = time.monotonic() + 60
        while not (destination.exists() and destination.stat().st_size > 10_000):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, output) == (130, "")
    assert "run it again to continue" in errors
    assert "Traceback" not in errors
    copied = content("csv")
    assert 0 < len(copied) < count
    assert copied == in_order(map(numbered, range(count)))[: len(copied)]


def test_the_command_loads_no_sdk_and_no_driver_but_its_own() -> None:
    """It answers before an SDK would have been imported."""
    fill("sqlite", ROWS)
    code = (
        "import sys\nfrom zoho_tokenstore.cli._app import app\n"
        "try:\n    app(['copy', 'sqlite:///tokens.db', 'sqlite:///other.db'])\nexcept SystemExit:\n    pass\n"
        "loaded = {'zohocrmsdk', 'sqlalchemy', 'redis', 'boto3', 'cryptography'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)


@pytest.mark.parametrize("urls", [("", DESTINATION), (SOURCE, "")])
def test_an_empty_url_is_named(urls: tuple[str, str]) -> None:
    """By what `copy` has: it takes no option for a store."""
    assert "A store's URL is empty. Name the source" in failed(*urls)
