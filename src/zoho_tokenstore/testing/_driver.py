"""A program of another language that answers for its token store: JSON-RPC 2.0, a line for each message.

docs/reference/driver-protocol.md is the protocol. Nothing here waits without a deadline: threads read and
write the pipes, and a program that broke the protocol once is ended and gets no further request.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, Final

from zoho_tokenstore.errors import ConfigurationError, TokenStoreError

Answer = Mapping[str, Any]

_LONGEST_LINE: Final = 1 << 26
_END_S: Final = 2.0
"""How many seconds a program may take to end after its output has ended."""

_SHOWN: Final = 300
_LOGGED: Final = 2000
"""How many characters of a program's output and of its log an error shows."""


class DriverError(TokenStoreError):
    """A driver didn't answer in time, ended, or printed something that is no answer."""


class Driver:
    """A running program."""

    def __init__(self, command: tuple[str, ...]) -> None:
        self.command = command
        self._lock = threading.Lock()
        self._failure = ""
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Future[Answer]] = {}
        self._requests: SimpleQueue[bytes | None] = SimpleQueue()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # as long as the program
        self._process = self._start()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._write, self._read)]
        for thread in self._threads:
            thread.start()

    @property
    def is_usable(self) -> bool:
        """Return whether it may be asked again."""
        return not self._failure and self._process.poll() is None

    def ask(self, method: str, params: Mapping[str, Any], timeout: float) -> Answer:
        """Return the answer to a request: a mapping with either `result` or `error`.

        After a `DriverError` there is no answer to later requests either.
        """
        number, answer = next(self._numbers), Future[Answer]()
        with self._lock:
            if self._failure:
                raise DriverError(self._failure)
            self._waiting[number] = answer
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        self._requests.put(json.dumps(request).encode("ascii") + b"\n")
        try:
            return answer.result(timeout)
        except TimeoutError:
            raise self.fail(f"didn't answer {method} within {timeout:g} s") from None

    def fail(self, reason: str) -> DriverError:
        """End the program, and return the error that all requests get from now on."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
            if not self._failure:
                self._kill()
                self._failure = f"The driver {reason}.{self._logged()}"
                self._requests.put(None)
        for answer in waiting.values():
            answer.set_exception(DriverError(self._failure))
        return DriverError(self._failure)

    def end(self) -> None:
        """End the program, and free what it used."""
        self.fail("was closed")
        for thread in self._threads:
            thread.join(_END_S)
        self._log.close()
        for pipe, thread in zip((self._process.stdin, self._process.stdout), self._threads, strict=True):
            if pipe is not None and not thread.is_alive():
                with contextlib.suppress(OSError):  # what was written, and nobody has read
                    pipe.close()

    def _start(self) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(  # noqa: S603  # what the caller names
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                start_new_session=True,  # a group, which can be ended with the programs it has started
            )
        except OSError as error:
            self._log.close()
            raise ConfigurationError(
                f"The driver {' '.join(self.command)} can't be started: {error.strerror}."
            ) from error

    def _kill(self) -> None:
        if self._process.poll() is None:
            if os.name == "posix":
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        self._process.wait()

    def _write(self) -> None:
        assert self._process.stdin is not None  # a pipe
        with contextlib.suppress(OSError):  # it has ended, which the reader reports
            while (line := self._requests.get()) is not None:
                self._process.stdin.write(line)
                self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None  # a pipe
        while line := self._process.stdout.readline(_LONGEST_LINE):
            try:
                self._take(_message_of(line))
            except (ValueError, LookupError, TypeError):
                shown = line[:_SHOWN].decode(errors="backslashreplace").rstrip("\n")
                self.fail(
                    f"printed what is no answer: {shown!r}. Its standard output is for answers alone; "
                    "let it log to the standard error"
                )
                return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.fail(f"ended (exit status {self._process.wait(_END_S)})")
        self.fail("closed its standard output")

    def _take(self, message: dict[str, Any]) -> None:
        """Hand an answer to who waits for it. One without an id is for the only request, if there is one."""
        with self._lock:
            if message.get("id") is None and len(self._waiting) == 1:
                _, answer = self._waiting.popitem()
            else:
                answer = self._waiting.pop(message["id"])
        answer.set_result(message)

    def _logged(self) -> str:
        self._log.seek(0)
        text = self._log.read().decode(errors="backslashreplace").strip()
        return f" It logged: {text[-_LOGGED:]}" if text else ""


def _message_of(line: bytes) -> dict[str, Any]:
    """Return an answer, or raise a `ValueError`: it is none."""
    message = json.loads(line.decode("utf-8"))
    if not isinstance(message, dict) or ("result" in message) == ("error" in message):
        raise ValueError("no answer")
    return message


_idle: Final[dict[tuple[str, ...], list[Driver]]] = {}
"""Programs whose store was closed: starting one takes as long as hundreds of requests."""

_idle_lock: Final = threading.Lock()


def borrow(command: tuple[str, ...]) -> Driver:
    """Return a program that nobody uses, a new one if need be."""
    with _idle_lock:
        waiting = _idle.get(command, [])
        while waiting:
            driver = waiting.pop()
            if driver.is_usable:
                return driver
            driver.end()
    return Driver(command)


def give_back(driver: Driver) -> None:
    """Keep a program for the next store, or end it if it can't be used."""
    if not driver.is_usable:
        driver.end()
        return
    with _idle_lock:
        _idle.setdefault(driver.command, []).append(driver)


@atexit.register
def _end_idle() -> None:
    with _idle_lock:
        for driver in itertools.chain(*_idle.values()):
            driver.end()
        _idle.clear()
