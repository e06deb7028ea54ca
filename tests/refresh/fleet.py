"""Many processes and threads that use the unmodified SDK at one moment: `python -m tests.refresh.fleet`.

The SDK is imported once and all workers are forked from here, because importing it takes a second.
Each line of standard input holds orders as JSON (`Orders`, and `environment`), each line of standard
output what the workers told: every call and every event of the store, also of workers that were
killed later.
"""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import os
import random
import select
import signal
import sqlite3
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
from zohocrmsdk.src.com.zoho.crm.api.exception import SDKException
from zohocrmsdk.src.com.zoho.crm.api.initializer import Initializer
from zohocrmsdk.src.com.zoho.crm.api.sdk_config import SDKConfig

from tests.sdk.app import environment
from zoho_tokenstore import Event, EventKind, RefreshPolicy, TokenRepository, registry
from zoho_tokenstore._util import clock
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.errors import BackendUnavailableError
from zoho_tokenstore.records import Row
from zoho_tokenstore.registry import open_backend
from zoho_tokenstore.sdk import RepositoryStore

logging.raiseExceptions = False  # the SDK's malformed log calls


@dataclass
class Orders:
    """What a fleet does.

    Arguments:
        zoho: the URL of the local Zoho.
        store: the URL of the store.
        folder: where the fleet may write.
        tokens: the constructor's arguments of the tokens; each call takes the next one.
        processes: how many workers.
        threads: how many threads in each of them.
        calls: how many calls each thread makes.
        seconds: instead: for how long it makes calls.
        pause: seconds between two calls of a thread, at most.
        shuffle: calls take tokens at random.
        policy: values of the `RefreshPolicy`, durations in seconds.
        holder: what the first one to start a refresh does to itself: `kill`, or `stop`.
        holder_after: so many seconds after it started the refresh.
        holder_for: for how many seconds it is stopped.
        kill_every: every so many seconds a worker is killed and replaced.
        give_up: after so many seconds those that are still at work are killed.
        failing_writes: so many writes of rows fail in every process.
        locked: from the start on nobody can write to this SQLite database.
        file_store: the SDK's own store on this file, instead of ours.
        skew: so many seconds the clocks of the workers are off: every other one ahead, the others behind.
    """

    zoho: str
    store: str
    folder: str
    tokens: list[dict[str, str]]
    processes: int = 1
    threads: int = 1
    calls: int = 1
    seconds: float | None = None
    pause: float = 0.0
    shuffle: bool = False
    policy: dict[str, float] = field(default_factory=dict)
    holder: str = ""
    holder_after: float = 0.0
    holder_for: float = 0.0
    kill_every: float | None = None
    give_up: float = 1e9
    failing_writes: int = 0
    locked: str = ""
    file_store: str = ""
    skew: float = 0.0


# ---- the parent


class Fleet:
    """The workers, and what they tell."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._pids: dict[int, int] = {}  # by the pipe that a worker writes to
        self._texts: list[bytearray] = []
        self._pipes: dict[int, bytearray] = {}
        self._gate, self._gate_in = os.pipe()
        self._killed = 0
        self._resume_at: float | None = None

    def run(self) -> dict[str, Any]:
        """Let all workers go at once, and return what they told."""
        if not self._orders.file_store:
            open_backend(self._orders.store).close()  # its driver is imported here, not in every worker
        for number in range(self._orders.processes):
            self._fork(number)
        for pipe in self._pids:
            os.read(pipe, 1)  # the worker is ready
        with self._lock():
            return self._let_go()

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        if not self._orders.locked:
            yield
            return
        with contextlib.closing(sqlite3.connect(self._orders.locked, isolation_level=None)) as lock:
            lock.execute("BEGIN IMMEDIATE")
            yield

    def _let_go(self) -> dict[str, Any]:
        os.close(self._gate_in)
        started = time.time()
        next_kill = started + (self._orders.kill_every or 1e9)
        while self._pids:
            ready, _, _ = select.select(list(self._pids), [], [], 0.05)
            for pipe in ready:
                self._read(pipe)
            self._let_holder_go_on()
            if time.time() - started > self._orders.give_up:
                self._kill_all()
            if time.time() >= next_kill:
                next_kill += self._orders.kill_every or 1e9
                self._replace_one(started)
        answers = [[json.loads(line) for line in bytes(text).splitlines()] for text in self._texts]
        return {"started": started, "killed": self._killed, "answers": answers}

    def _fork(self, number: int, seconds: float | None = None) -> None:
        answer_out, answer_in = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(answer_out)
            os.close(self._gate_in) if seconds is None else None
            orders = (
                self._orders if seconds is None else Orders(**{**asdict(self._orders), "seconds": seconds})
            )
            Worker(orders, number, self._gate, answer_in).run()
        os.close(answer_in)
        self._pids[answer_out] = pid
        self._pipes[answer_out] = bytearray()
        self._texts.append(self._pipes[answer_out])

    def _read(self, pipe: int) -> None:
        data = os.read(pipe, 1 << 16)
        self._pipes[pipe] += data
        if not data:
            os.close(pipe)
            os.waitpid(self._pids.pop(pipe), 0)

    def _replace_one(self, started: float) -> None:
        left = started + (self._orders.seconds or 0) - time.time()
        if left < 1:
            return
        pipe = random.choice(list(self._pids))
        os.kill(self._pids[pipe], signal.SIGKILL)
        self._killed += 1
        self._fork(self._orders.processes + self._killed, left)

    def _kill_all(self) -> None:
        for pid in self._pids.values():
            os.kill(pid, signal.SIGKILL)

    def _let_holder_go_on(self) -> None:
        marker = _marker(self._orders)
        if self._orders.holder != "stop" or not marker.exists() or not marker.read_text():
            return
        stopped_at = marker.stat().st_mtime + self._orders.holder_after
        if self._resume_at is None and time.time() >= stopped_at:
            self._resume_at = stopped_at + self._orders.holder_for
            os.kill(int(marker.read_text()), signal.SIGSTOP)
        elif self._resume_at is not None and time.time() >= self._resume_at:
            self._resume_at = 1e12
            os.kill(int(marker.read_text()), signal.SIGCONT)


# ---- a worker


class Worker:
    """One process."""

    def __init__(self, orders: Orders, number: int, gate: int, answer: int) -> None:
        self._orders = orders
        self._number = number
        self._gate = gate
        self._answer = answer

    def run(self) -> None:
        """Do as ordered, and end."""
        try:
            self._set_clock()
            self._initialize()
            os.write(self._answer, b" ")
            os.read(self._gate, 1)
            self._all_threads()
        except BaseException:  # noqa: BLE001  # all of it goes to the parent's error output
            traceback.print_exc()
        finally:
            os._exit(0)

    def _initialize(self) -> None:
        """Set the SDK up as `Initializer.initialize` does, without the first look-up that it makes."""
        url = self._orders.zoho
        initializer = Initializer()
        initializer.environment = environment((url, f"{url}/oauth/v2/token", url))
        initializer.store = self._store()
        initializer.sdk_config = SDKConfig()
        initializer.resource_path = tempfile.gettempdir()
        Initializer.initializer = initializer

    def _set_clock(self) -> None:
        """Let this process have a clock of its own: that of our code, and that of the SDK."""
        off = self._orders.skew * (1 if self._number % 2 else -1)
        if off:
            real, real_ns = time.time, time.time_ns
            clock.time_ns = lambda: real_ns() + int(off * 1e9)  # type: ignore[attr-defined]
            time.time = lambda: real() + off

    def _store(self) -> Any:
        orders = self._orders
        if orders.file_store:
            from zohocrmsdk.src.com.zoho.api.authenticator.store import FileStore

            return FileStore(orders.file_store)
        backend: Any = open_backend(orders.store)
        if orders.failing_writes:
            backend = Failing(backend, orders.failing_writes)
        return RepositoryStore(
            TokenRepository(backend, on_event=self._on_event), refresh=policy(orders.policy)
        )

    def _all_threads(self) -> None:
        count = self._orders.threads
        barrier = threading.Barrier(count)

        def body(thread: int) -> None:
            Initializer.LOCAL.init = copy.copy(Initializer.initializer)
            barrier.wait()
            self._calls(self._number * count + thread)

        threads = [threading.Thread(target=body, args=(thread,)) for thread in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _calls(self, number: int) -> None:
        orders, chosen = self._orders, random.Random(number)
        deadline = None if orders.seconds is None else time.time() + orders.seconds
        call = 0
        while call < orders.calls if deadline is None else time.time() < deadline:
            fields = (
                chosen.choice(orders.tokens) if orders.shuffle else orders.tokens[call % len(orders.tokens)]
            )
            self._tell(_call(fields))
            time.sleep(orders.pause * chosen.random())
            call += 1

    def _on_event(self, event: Event) -> None:
        self._tell({"event": event.kind, "id": event.token_id, "reason": event.reason, "at": time.time()})
        if event.kind is EventKind.RENEWAL_STARTED and self._orders.holder:
            self._be_the_holder()

    def _be_the_holder(self) -> None:
        try:
            marker = os.open(_marker(self._orders), os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            return
        os.write(marker, str(os.getpid()).encode())
        if self._orders.holder == "kill":
            threading.Timer(self._orders.holder_after, os.kill, (os.getpid(), signal.SIGKILL)).start()
            time.sleep(0.0 if self._orders.holder_after else 60)

    def _tell(self, what: dict[str, Any]) -> None:
        os.write(self._answer, json.dumps({**what, "worker": self._number}).encode() + b"\n")


class Failing:
    """A backend whose first writes of rows fail."""

    def __init__(self, backend: Backend, count: int) -> None:
        self._backend = backend
        self._left = count

    __class__: Any = property(lambda self: type(self._backend))  # what that one declares counts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def write(self, row: Row, *, expect: object) -> object:
        if self._left > 0:
            self._left -= 1
            raise BackendUnavailableError("The disk is full.")
        return self._backend.write(row, expect=expect)


def _marker(orders: Orders) -> Path:
    """Return the file that names the process of the first holder."""
    return Path(orders.folder) / "holder"


def policy(values: dict[str, float]) -> RefreshPolicy:
    """Return a policy from seconds."""
    given: dict[str, Any] = {
        name: int(value) if name == "budget" else timedelta(seconds=value) for name, value in values.items()
    }
    return RefreshPolicy(**given)


def _call(fields: dict[str, str]) -> dict[str, Any]:
    began = time.time()
    try:
        token = Initializer.LOCAL.init.token = OAuthToken(**fields)
        outcome: dict[str, Any] = {"access": token.get_token()}
    except Exception as error:  # noqa: BLE001  # whatever it is, it is the outcome
        outcome = {
            "error": type(error).__name__,
            "text": str(error),
            "sdk": isinstance(error, SDKException),
            "retry_after": getattr(error, "retry_after", None),
        }
    return {**outcome, "id": fields.get("id"), "took": time.time() - began, "at": began}


def _carry_out(given: dict[str, Any]) -> dict[str, Any]:
    """Let a fork of this process be the fleet; return its status, what it told, and its error output."""
    environment = given.pop("environment")
    orders = Orders(**given)
    if not orders.file_store:
        registry._class_for(orders.store.partition("://")[0])  # its driver is imported here, for all fleets
    with tempfile.TemporaryFile() as answer, tempfile.TemporaryFile() as errors:
        pid = os.fork()
        if pid == 0:
            os.dup2(errors.fileno(), 2)
            os.environ.update(environment)
            _be_a_fleet(orders, answer.fileno())
        _, status = os.waitpid(pid, 0)
        answer.seek(0)
        errors.seek(0)
        return {"status": status, "told": answer.read().decode(), "errors": errors.read().decode()}


def _be_a_fleet(orders: Orders, answer: int) -> None:
    status = 1
    try:
        with open(answer, "w", closefd=False) as told:  # a descriptor
            json.dump(Fleet(orders).run(), told)
        status = 0
    except BaseException:  # noqa: BLE001  # all of it goes to the error output
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(_carry_out(json.loads(line))), flush=True)
