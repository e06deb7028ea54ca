"""The right to write, for one thread of one process of the host at a time."""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from zoho_tokenstore.backends._csv import files
from zoho_tokenstore.errors import BackendTimeoutError, MissingDependencyError
from zoho_tokenstore.leases import begin_anew_after_fork

try:
    import filelock
except ModuleNotFoundError as error:
    raise MissingDependencyError(
        "The CSV store needs filelock, which is not installed. "
        'Install it with: pip install "zoho-tokenstore[csv]".'
    ) from error

_LONGEST_PAUSE: Final = 0.005


class HostLock:
    """A lock file. It is created once and never deleted: who waits for it has it open already.

    A fork need not wait for its holder: the child holds nothing, as filelock closes in it what it
    has inherited, and the lock among threads is a new one there.

    Arguments:
        path: the lock file.
        subject: the file that it is for, for messages.
        timeout: how long to wait for others, in seconds.
    """

    def __init__(self, path: Path, subject: Path, timeout: float) -> None:
        self._path = path
        self._subject = subject
        self._timeout = timeout
        self._threads = threading.Lock()
        begin_anew_after_fork(self)

    def begin_anew(self) -> None:
        """Drop in a child what threads of its parent held."""
        self._threads = threading.Lock()

    def create(self, rights_of: Path) -> None:
        """Create the lock file if there is none, with the rights of the file at a path."""
        with contextlib.suppress(FileExistsError):
            handle = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, files.OWNER_ONLY)
            try:
                files.give_rights_of(rights_of, handle)
            finally:
                os.close(handle)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock in the block.

        Raises:
            BackendTimeoutError: others held it for longer than the timeout.
        """
        lock = self._acquire()
        try:
            yield
        finally:
            try:
                lock.release()
            finally:
                self._threads.release()

    def _acquire(self) -> filelock.BaseFileLock:
        deadline = time.monotonic() + self._timeout
        pause = 0.0005
        while True:
            lock = self._try(deadline)
            if lock is not None:
                return lock
            if time.monotonic() + pause > deadline:
                raise BackendTimeoutError(
                    f"The token file {self._subject} was locked by others for {self._timeout:g} s. Nothing "
                    f"was changed; try again, or find who holds {self._path}."
                )
            # Jitter against lockstep, not a secret.
            time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _try(self, deadline: float) -> filelock.BaseFileLock | None:
        """Return the lock, held, and with it the lock among threads; or `None` if somebody has it."""
        threads = self._threads
        if not threads.acquire(timeout=max(0.0, deadline - time.monotonic())):
            return None
        try:
            lock = filelock.FileLock(
                self._path,
                mode=files.OWNER_ONLY,
                thread_local=False,
                fallback_to_soft=False,
                preserve_lock_file=True,
            )
            lock.acquire(blocking=False)
        except filelock.Timeout:
            threads.release()
            return None
        except BaseException:
            threads.release()
            raise
        return lock
