"""Two processes, or two stores of one process, on one database."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sqlite.conftest import Open
from tests.sqlite.tokens import by_name, is_sound, token
from tests.support.processes import Worker
from zoho_tokenstore.errors import BackendTimeoutError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens.db"


@pytest.fixture
def peer(path: Path) -> Iterator[Worker]:
    """A process that has the database open; see `tests.process.peer`."""
    with Worker("peer", path, 10) as worker:
        assert worker.hear() == "ready"
        yield worker


def test_every_commit_of_another_process_is_seen_at_once(path: Path, peer: Worker, open_tokens: Open) -> None:
    """500 times: a hot look-up by id returns what the other process has just acknowledged."""
    tokens = open_tokens(path)
    row_id = peer.ask("save user access-0")
    for number in range(1, 501):
        assert tokens.get(row_id) is not None
        peer.ask(f"save user access-{number}")
        found = tokens.get(row_id)
        assert found is not None
        assert found.access_token == f"access-{number}"


def test_both_processes_see_each_others_writes(path: Path, peer: Worker, open_tokens: Open) -> None:
    """In turns on one owner's token: each finds, and goes on from, what the other has saved."""
    tokens = open_tokens(path)
    for number in range(50):
        saved = tokens.save(token("user", f"ours-{number}"))
        assert peer.ask("find user") == f"ours-{number}"
        assert peer.ask(f"save user theirs-{number}") == saved.id
        found = tokens.find(by_name("user"))
        assert found is not None
        assert found.access_token == f"theirs-{number}"
    assert saved.id is not None
    assert peer.ask(f"delete {saved.id}") == "True"
    assert tokens.get(saved.id) is None


def test_a_second_store_in_the_process_does_not_weaken_the_first(
    path: Path, peer: Worker, open_tokens: Open
) -> None:
    """The first store's locks outlive the opening of a second one.

    Closing any descriptor of a file drops the process's locks on it: then another process that
    closes the database takes itself for the last one, removes the log that the first store goes on
    writing to, and everything saved from then on is lost.
    """
    first = open_tokens(path)
    first.save(token("before"))
    second = open_tokens(path)
    peer.ask("close")
    for number, tokens in enumerate([first, second, first, second]):
        tokens.save(token("user", f"access-{number}"))
        assert peer.ask("reopen") == "open"
        assert peer.ask("find user") == f"access-{number}"
        peer.ask("close")
    first.close()
    second.close()
    peer.ask("reopen")
    assert peer.ask("find user") == "access-3"
    assert is_sound(path)


def test_a_lock_of_another_process_is_waited_for(path: Path, peer: Worker, open_tokens: Open) -> None:
    """A save goes through when the lock is given back in time; nobody notices but by the clock."""
    tokens = open_tokens(path, timeout=30)
    peer.ask("lock")
    saver = threading.Thread(target=tokens.save, args=(token("user"),))
    saver.start()
    time.sleep(0.1)
    assert saver.is_alive()
    assert tokens.find(by_name("user")) is None
    peer.ask("unlock")
    saver.join(timeout=30)
    assert tokens.find(by_name("user")) is not None


def test_a_lock_that_is_not_given_back_is_an_error_in_time(
    path: Path, peer: Worker, open_tokens: Open
) -> None:
    """A save, a deletion and clear() end after the timeout with our error; look-ups go on."""
    tokens = open_tokens(path, timeout=0.3)
    saved = tokens.save(token("user"))
    assert saved.id is not None
    saved_id = saved.id
    peer.ask("lock")
    for write in (
        lambda: tokens.save(token("user", "access-2")),
        lambda: tokens.save(token("another")),
        lambda: tokens.delete(saved_id),
        tokens.clear,
    ):
        began = time.monotonic()
        with pytest.raises(BackendTimeoutError, match=r"locked by others for 0\.3 s\. Nothing was changed"):
            write()
        assert 0.2 < time.monotonic() - began < 5
        assert tokens.get(saved_id) == saved
    peer.ask("unlock")
    assert tokens.save(token("user", "access-2")).access_token == "access-2"


def test_a_relative_path_stays_where_it_was(
    path: Path, peer: Worker, open_tokens: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a chdir, in all threads, the store is the file that the path meant when it was opened."""
    monkeypatch.chdir(path.parent)
    tokens = open_tokens(Path(path.name))
    (path.parent / "elsewhere").mkdir()
    monkeypatch.chdir(path.parent / "elsewhere")
    saver = threading.Thread(target=tokens.save, args=(token("user"),))
    saver.start()
    saver.join()
    assert peer.ask("find user") == "access-1"
    assert os.listdir() == []  # noqa: PTH208  # of the current folder
