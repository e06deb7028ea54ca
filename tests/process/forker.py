"""Forks 50 times while its threads are busy with a store. Prints as JSON what went wrong, and counts.

Arguments: the URL of the store. Every child saves, finds and deletes, and must be done in time;
then it must not have changed the parent's tokens unless both share a file.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from tests.sqlite.tokens import by_name, token
from zoho_tokenstore.registry import open_repository
from zoho_tokenstore.repository import TokenRepository

FORKS = 50
CHILD_SECONDS = 30


class Busy:
    """Threads that save and look up without end, some that end at once, and one that makes new stores."""

    def __init__(self, tokens: TokenRepository, url: str) -> None:
        self._tokens = tokens
        self._url = url
        self._done = threading.Event()
        self.saves = [0, 0]
        self.stores = 0
        self.trouble: list[str] = []

    @contextmanager
    def at_work(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._guarded, args=(self._save, number)) for number in range(2)]
        threads.append(threading.Thread(target=self._guarded, args=(self._begin_and_end, 2)))
        threads.append(threading.Thread(target=self._guarded, args=(self._make_a_store, 3)))
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._done.set()
            for thread in threads:
                thread.join()

    def _guarded(self, work: object, number: int) -> None:
        try:
            while not self._done.is_set():
                work(number)  # type: ignore[operator]
        except BaseException:  # noqa: BLE001  # told at the end
            self.trouble.append(traceback.format_exc())

    def _save(self, number: int) -> None:
        count = self.saves[number] + 1
        saved = self._tokens.save(token(f"busy{number}", f"access-{count}"))
        self.saves[number] = count
        if self._tokens.get(saved.id or "") != saved:
            raise AssertionError("a save of the parent is lost")

    def _begin_and_end(self, _number: int) -> None:
        thread = threading.Thread(target=lambda: self._tokens.find(by_name("busy0")))
        thread.start()
        thread.join()

    def _make_a_store(self, _number: int) -> None:
        self.stores += 1
        with open_repository(f"{self._url}.{self.stores}" if "/tokens" in self._url else self._url) as other:
            other.save(token("user"))


def use(tokens: TokenRepository, name: str) -> None:
    """What a child does, in its main thread and in a new one."""
    saved = tokens.save(token(name))
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(tokens.get(saved.id or "")))
    thread.start()
    thread.join()
    if found != [saved] or tokens.find(by_name(name)) != saved:
        raise AssertionError("a child does not find what it saved")


def child(tokens: TokenRepository, name: str) -> int:
    process = os.fork()
    if process:
        return process
    signal.alarm(CHILD_SECONDS)  # its end, if it hangs
    status = 1
    try:
        use(tokens, name)
        status = 0
    except BaseException:  # noqa: BLE001  # told on stderr, and by the status
        traceback.print_exc()
    finally:
        os._exit(status)


def main(url: str) -> None:
    tokens = open_repository(url)
    busy = Busy(tokens, url)
    with busy.at_work():
        children = [child(tokens, f"child{number}") for number in range(FORKS)]
        statuses = [os.waitpid(process, 0)[1] for process in children]
    names = sorted(record.user_name or "" for record in tokens.scan())
    newest = [getattr(tokens.find(by_name(f"busy{number}")), "access_token", None) for number in range(2)]
    report = {"statuses": statuses, "trouble": busy.trouble, "names": names}
    print(json.dumps({**report, "newest": newest, "saves": busy.saves}))


if __name__ == "__main__":
    main(*sys.argv[1:])
