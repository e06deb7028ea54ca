"""The real command: killed at any moment and run again, and beside processes that use the destination."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.copying.support import SECRET, in_order, make_backend, numbered, put, rows_of
from tests.support.processes import Worker
from zoho_tokenstore import Keyset, TokenRecord, TokenRepository
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.records import Row

KILLS = 10
WORKERS = 3
CONFLICT_TIMEOUT = 300.0  # seconds for one run; only a failing test waits so long


def command(*arguments: object) -> list[str]:
    """Return the command line of a copy."""
    return [
        sys.executable,
        "-c",
        "from zoho_tokenstore.cli import main; main()",
        "copy",
        *map(str, arguments),
    ]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=CONFLICT_TIMEOUT, check=False
    )
    assert not SECRET.search(done.stdout + done.stderr)
    return done


def run_killed(*arguments: object) -> bool:
    """Run the command, kill it after a random time, and return whether it was still at work."""
    process = subprocess.Popen(command(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(random.uniform(0.2, 0.5))
    cut_off = process.poll() is None
    process.kill()
    process.wait()
    return cut_off


def keys_in(path: Path) -> Keyset:
    """Make a key file; return its ring."""
    path.touch(mode=0o600)
    path.write_text(Keyset.generate().to_text())
    return Keyset.from_file(path)


def filled(kind: str, folder: Path, rows: list[Row], keys: Keyset) -> None:
    folder.mkdir()
    with closing(make_backend(kind, folder)) as backend:
        put(backend, rows, keys)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("kind", "name", "count"), [("sqlite", "tokens.db", 10_000), ("csv", "tokens.csv", 1200)]
)
def test_killed_ten_times_it_ends_equal(quick_folder: Path, kind: str, name: str, count: int) -> None:
    """Run again after each kill, it goes on; the end is every row once, as it was, and nothing besides."""
    old, new = keys_in(quick_folder / "old.keys"), keys_in(quick_folder / "new.keys")
    rows = in_order(map(numbered, range(count)))
    filled("sqlite", quick_folder / "source", rows, old)
    (quick_folder / "there").mkdir()
    arguments = (
        *(f"sqlite:///{quick_folder / 'source' / 'tokens.db'}", f"{kind}:///{quick_folder / 'there' / name}"),
        *(
            "--src-keys",
            f"file:{quick_folder / 'old.keys'}",
            "--dst-keys",
            f"file:{quick_folder / 'new.keys'}",
        ),
    )
    cut_off = sum(run_killed(*arguments) for _ in range(KILLS))
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    assert f"All {count:,} are equal there" in done.stdout
    assert cut_off >= KILLS // 2
    with closing(make_backend(kind, quick_folder / "there")) as there:
        assert rows_of(there, new) == rows
    with closing(make_backend("sqlite", quick_folder / "source")) as source:
        assert rows_of(source, old) == rows


@pytest.mark.long
@pytest.mark.timeout(600)
def test_processes_at_the_destination_lose_no_save(quick_folder: Path) -> None:
    """Three processes log users in and refresh their tokens there: each finds what it saved last.

    Whoever logged in before the copy reached him keeps that login, in one row.
    """
    count = 1500
    old, new = keys_in(quick_folder / "old.keys"), keys_in(quick_folder / "new.keys")
    rows = in_order(map(numbered, range(count)))
    filled("sqlite", quick_folder / "source", rows, old)
    filled("sqlite", quick_folder / "there", [], new)
    there = quick_folder / "there" / "tokens.db"
    arguments = (
        *(f"sqlite:///{quick_folder / 'source' / 'tokens.db'}", f"sqlite:///{there}"),
        *(
            "--src-keys",
            f"file:{quick_folder / 'old.keys'}",
            "--dst-keys",
            f"file:{quick_folder / 'new.keys'}",
        ),
        *("--on-conflict", "newer"),
    )
    with contextlib.ExitStack() as stack:
        workers = [
            stack.enter_context(
                Worker("tests.copying.visitor", there, quick_folder / "new.keys", count, WORKERS, number)
            )
            for number in range(WORKERS)
        ]
        for worker in workers:
            assert worker.hear() == "ready"
        for worker in workers:
            worker.tell("go")
        run(*arguments)
        for worker in workers:
            worker.tell("stop")
        reports = [json.loads(worker.finish()) for worker in workers]
    twice = check(there, new, rows, reports)
    done = run(*arguments)
    assert done.returncode == bool(twice), done.stderr
    assert all(row_id in done.stderr for row_id in twice[:20])


def check(there: Path, keys: Keyset, rows: list[Row], reports: list[dict[str, Any]]) -> list[str]:
    """Nothing went wrong, every last save is found, and everybody else's token is the source's.

    Returns the ids of users who logged in in the very moment of their copy: they have two rows.
    """
    assert [report["trouble"] for report in reports] == [[]] * WORKERS
    saved = {user: token for report in reports for user, token in report["saved"].items()}
    assert len(saved) > 20
    with closing(SQLiteBackend(there)) as backend:
        copied = {one.id: one for one in rows_of(backend, keys)}
        tokens = TokenRepository(backend, keys=keys)
        for user, access_token in saved.items():
            found = tokens.find(TokenRecord(user_name=user))
            assert found is not None
            assert found.access_token == access_token
    for one in rows:
        if one.user_name not in saved:
            assert copied[one.id] == one
    users = Counter(one.user_name for one in copied.values() if one.user_name)
    assert set(users) == {one.user_name for one in rows if one.user_name}
    twice = [one.id for one in rows if users[one.user_name or ""] == 2]
    assert sum(users.values()) == len(users) + len(twice) < len(users) + 50
    return twice
