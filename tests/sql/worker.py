"""What processes of the tests do with a database: `python -m tests.sql.worker TASK URL …`."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from tests.sql.crowd import take_turns
from tests.sqlite.tokens import by_name, token
from zoho_tokenstore.backends.sql import SQLBackend
from zoho_tokenstore.records import Row
from zoho_tokenstore.repository import TokenRepository

PROCESSES = 8
SAVES = 25
FORKS = 20
CHILD_SECONDS = 100


def open_(url: str, number: int) -> int:
    """Open the database, insert a row, and return how many rows were there before."""
    backend = SQLBackend(url)
    count = len(list(backend.scan()))
    backend.write(Row(f"worker{number}"), expect=None)
    backend.close()
    return count


def save(url: str, owners: str, number: int) -> list[Any]:
    """Save tokens for so many owners (0: everybody their own), and return what was saved."""
    saved = []
    with TokenRepository(SQLBackend(url)) as tokens:
        for turn in range(SAVES):
            owner = f"user{turn % int(owners)}" if int(owners) else f"user{number}-{turn}"
            stored = tokens.save(token(owner, f"access-{number}-{turn}"))
            saved.append((stored.id, stored.user_name, stored.access_token))
    return saved


def crowd(task: str, *arguments: str) -> None:
    """Do a task in eight processes that begin at one moment; print what each of them returned."""
    print(json.dumps(crowd_of(task, *arguments)))


def crowd_of(task: str, *arguments: str) -> list[Any]:
    """Do a task in several processes that begin at one moment; return what each of them returned.

    They are forked from here, before anything is opened: to import everything takes a second each.
    """
    gate, go = os.pipe()
    children = [_member(task, arguments, number, gate, go) for number in range(PROCESSES)]
    os.close(go)
    told = [Path(f"/dev/fd/{answer}").read_text() for _, answer in children]
    for process, _ in children:
        os.waitpid(process, 0)
    return [json.loads(text) for text in told]


def _member(task: str, arguments: tuple[str, ...], number: int, gate: int, go: int) -> tuple[int, int]:
    answer, report = os.pipe()
    process = os.fork()
    if process == 0:
        signal.alarm(CHILD_SECONDS)
        try:
            os.close(go)
            os.read(gate, 1)  # until the parent closes its end
            found = CROWDS[task](*arguments, number)
        except BaseException:  # noqa: BLE001  # told to the test
            found = traceback.format_exc()
        with open(report, "w") as pipe:  # noqa: PTH123  # a descriptor
            json.dump(found, pipe)
        os._exit(0)
    os.close(report)
    return process, answer


def save_without_end(url: str, owner: str) -> None:
    """Save one owner's token again and again; print each number after its save has returned."""
    with TokenRepository(SQLBackend(url)) as tokens:
        for number in range(10**9):
            tokens.save(token(owner, f"access-{number}"))
            print(number, flush=True)


def hold(url: str) -> None:
    """Change a row in a transaction that is never ended."""
    from tests.sql import support  # which brings pytest

    with support.driver(url) as connection:
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql("UPDATE oauthtoken SET access_token = 'never' WHERE id = '1'")
        print("holding", flush=True)
        sys.stdin.read()


def fork(url: str) -> None:
    """Fork while threads are busy; every child uses the store, and so does the parent afterwards."""
    backend = SQLBackend(url)
    tokens = TokenRepository(backend)
    done, trouble = threading.Event(), []
    saves = [0, 0]

    def work(place: int) -> None:
        try:
            while not done.is_set():
                count = saves[place] + 1
                saved = tokens.save(token(f"busy{place}", f"access-{count}"))
                saves[place] = count
                assert tokens.get(saved.id or "") == saved
        except BaseException:  # noqa: BLE001  # told at the end
            trouble.append(traceback.format_exc())

    threads = [threading.Thread(target=work, args=(place,)) for place in range(2)]
    for thread in threads:
        thread.start()
    children = [_child(tokens, f"child{number}") for number in range(FORKS)]
    statuses = [os.waitpid(child, 0)[1] for child in children]
    done.set()
    for thread in threads:
        thread.join()
    newest = [getattr(tokens.find(by_name(f"busy{place}")), "access_token", None) for place in range(2)]
    names = sorted(record.user_name or "" for record in tokens.scan())
    backend.close()
    print(json.dumps([statuses, trouble, saves, newest, names]))


def _child(tokens: TokenRepository, name: str) -> int:
    process = os.fork()
    if process:
        return process
    signal.alarm(CHILD_SECONDS)  # its end, if it hangs
    status = 1
    try:
        saved = tokens.save(token(name))
        found: list[object] = []
        thread = threading.Thread(target=lambda: found.append(tokens.get(saved.id or "")))
        thread.start()
        thread.join()
        assert found == [saved]
        assert tokens.find(by_name(name)) == saved
        status = 0
    except BaseException:  # noqa: BLE001  # told on stderr, and by the status
        traceback.print_exc()
    finally:
        os._exit(status)


CROWDS: Any = {"open": open_, "save": save, "take_turns": take_turns}
TASKS: Any = {task.__name__: task for task in (crowd, save_without_end, hold, fork)}

if __name__ == "__main__":
    TASKS[sys.argv[1]](*sys.argv[2:])
