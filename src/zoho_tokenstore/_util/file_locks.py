"""Permission to write, for one thread of one process of the host at a time."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import filelock

from zoho_tokenstore._util import atomic_files, forks
from zoho_tokenstore._util.deadlines import Deadline

_LONGEST_DELAY: Final = 0.005


class HostLock:
    """A lock file. It is never deleted: anyone waiting has it open already.

    A fork need not wait for its holder: the child holds nothing, as filelock closes there what it
    inherited, and the lock among threads is a new one.
    """

    def __init__(self, path: Path, timeout: float, timed_out: Callable[[], Exception]) -> None:
        self._path = path
        self._timeout = timeout
        self._timed_out = timed_out
        self._threads = threading.Lock()
        forks.reset_in_child(self)

    def reset(self) -> None:
        """In a child, drop what threads of its parent held."""
        self._threads = threading.Lock()

    def create(self, rights_of: Path) -> None:
        """Create the lock file if there is none, with the permissions of the file at a path."""
        with contextlib.suppress(FileExistsError):
            handle = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, atomic_files.OWNER_ONLY)
            try:
                atomic_files.copy_rights(rights_of, handle)
            finally:
                os.close(handle)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock in the block; raise the error for a timeout if others held it for too long."""
        lock = self._acquire()
        try:
            yield
        finally:
            try:
                lock.release()
            finally:
                self._threads.release()

    def _acquire(self) -> filelock.BaseFileLock:
        deadline = Deadline(self._timeout, first_delay=0.0005, longest_delay=_LONGEST_DELAY)
        while True:
            lock = self._try(deadline)
            if lock is not None:
                return lock
            if not deadline.delay():
                raise self._timed_out()

    def _try(self, deadline: Deadline) -> filelock.BaseFileLock | None:
        """Return the lock, held, along with the lock among threads; or `None` if somebody has it."""
        threads = self._threads
        if not threads.acquire(timeout=deadline.left()):
            return None
        try:
            lock = filelock.FileLock(
                self._path,
                mode=atomic_files.OWNER_ONLY,
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
