"""Keys are changed, and stores sealed, while four processes read and write, and whoever does it is killed."""

from __future__ import annotations

import contextlib
import json
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sealing.stores import bytes_on_disk, fill, refresh_token, row_of, token_id
from tests.sqlite.conftest import quick_folder
from tests.support.processes import Worker
from zoho_tokenstore import Keyset, TokenRepository
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.sealing import count_by_key

__all__ = ["quick_folder"]

USERS = int(os.environ.get("ZOHO_TEST_ROTATION_USERS", "10000"))
WORKERS = 4
KILLS = 5
PATIENCE = 540


def keys_command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from zoho_tokenstore.cli import main; main()", "keys", *arguments]


def add_key(path: Path, *options: str) -> str:
    """Put a new key into a key file, as an operator does; return the id of the one that seals now."""
    command = keys_command("generate", "--keys", f"file:{path}", *options)
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return Keyset.from_file(path).ids[0]


@contextlib.contextmanager
def traffic(database: Path, key_file: Path, users: int) -> Iterator[list[dict[str, Any]]]:
    """Let four processes read and save in the block; their reports are in the list after it."""
    reports: list[dict[str, Any]] = []
    with contextlib.ExitStack() as stack:
        workers = [
            stack.enter_context(Worker("tests.sealing.traffic", database, key_file, users, WORKERS, number))
            for number in range(WORKERS)
        ]
        for worker in workers:
            assert worker.hear() == "ready"
        for worker in workers:
            worker.tell("go")
        yield reports
        for worker in workers:
            worker.tell("stop")
        reports += [json.loads(worker.finish()) for worker in workers]


def run_killed(command: list[str], kills: int, database: Path, key: str) -> None:
    """Run a command that is killed so many times on its way, and then once more to its end.

    Each time it is killed somewhere within its next part of the rows, all parts being equal, and not at
    once: the first rows are sealed by others, while it begins.
    """
    with contextlib.closing(sqlite3.connect(database)) as connection:
        part = connection.execute("SELECT count(*) FROM oauthtoken").fetchone()[0] // (kills + 3)
        for _ in range(kills):
            enough = rows_under(connection, key) + random.randint(part // 2, part)
            run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while run.poll() is None and rows_under(connection, key) < enough:
                time.sleep(0.02)
            assert run.poll() is None
            run.kill()
            run.wait()
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr


def rows_under(connection: sqlite3.Connection, key: str) -> int:
    """Count the rows whose secrets are sealed under this key."""
    found: int = connection.execute(
        "SELECT count(*) FROM oauthtoken WHERE substr(client_secret, 6, 8) = ?", (key,)
    ).fetchone()[0]
    return found


def check(database: Path, users: int, reports: list[dict[str, Any]], keys: Keyset) -> None:
    """Nothing failed, and every save that was acknowledged is there, under these keys."""
    assert [report["trouble"] for report in reports] == [[]] * WORKERS
    saved = {id_: token for report in reports for id_, token in report["saved"].items()}
    lookups = sum(report["lookups"] for report in reports)
    print(f"{users:,} users; meanwhile {lookups:,} look-ups and saves for {len(saved):,} users")
    assert lookups > 200
    assert len(saved) > 20
    with TokenRepository(SQLiteBackend(database), keys=keys) as tokens:
        found = {record.id: record for record in tokens.scan()}
    assert len(found) == users
    for number in range(users):
        record, row = found[token_id(number)], row_of(number)
        assert record.access_token == saved.get(row.id, row.access_token)
        assert (record.refresh_token, record.client_secret) == (row.refresh_token, row.client_secret)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_rotating_under_load_loses_nothing(quick_folder: Path) -> None:
    """Four processes read and write all the while, the rotation is killed five times: it ends complete.

    No look-up fails, no save is lost, and nothing is left under the old key, in no file of the store.
    """
    database, key_file = quick_folder / "store" / "tokens.db", quick_folder / "keys"
    database.parent.mkdir()
    old = add_key(key_file)
    fill(database, USERS, Keyset.from_file(key_file))
    with traffic(database, key_file, USERS) as reports:
        time.sleep(0.5)
        new = add_key(key_file)
        command = keys_command("rotate", "--store", f"sqlite:///{database}", "--keys", f"file:{key_file}")
        run_killed(command, KILLS, database, new)
    left = bytes_on_disk(database.parent)
    assert f"zts1.{new}.".encode() in left
    assert f"zts1.{old}.".encode() not in left
    only_new = Keyset.from_text(key_file.read_text().splitlines()[0])
    assert only_new.ids == (new,)
    check(database, USERS, reports, only_new)


@pytest.mark.timeout(900)
def test_sealing_under_load_loses_nothing(quick_folder: Path) -> None:
    """A clear store is sealed while four processes that know the key and accept clear secrets use it."""
    database, key_file = quick_folder / "store" / "tokens.db", quick_folder / "keys"
    database.parent.mkdir()
    key = add_key(key_file)
    with key_file.open("a") as file:
        file.write("clear\n")
    fill(database, USERS // 5, None)
    before = bytes_on_disk(database.parent)
    assert refresh_token(1) in before
    command = keys_command("seal", "--store", f"sqlite:///{database}", "--keys", f"file:{key_file}")
    with traffic(database, key_file, USERS // 5) as reports:
        run_killed(command, 2, database, key)
    left = bytes_on_disk(database.parent)
    assert b"1000.refresh." not in left
    assert b"1000.access." not in left
    strict = Keyset.from_text(key_file.read_text().splitlines()[0])
    check(database, USERS // 5, reports, strict)
    with contextlib.closing(SQLiteBackend(database)) as backend:
        stock = count_by_key(backend, strict)
    assert (stock.rows, dict(stock.by_key), stock.refused) == (USERS // 5, {key: USERS // 5}, [])
