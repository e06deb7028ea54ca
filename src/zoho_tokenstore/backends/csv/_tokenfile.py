"""The token file: read without a lock, changed by being replaced."""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from zoho_tokenstore._util import atomic_files, forks
from zoho_tokenstore._util.atomic_files import identity, sync
from zoho_tokenstore._util.file_locks import HostLock
from zoho_tokenstore._util.file_rights import check_mount, check_place, close_to_others
from zoho_tokenstore._util.os_errors import map_os_errors, unavailable_error
from zoho_tokenstore.backends.csv._beside import beside
from zoho_tokenstore.backends.csv._content import is_whole, parse, to_bytes
from zoho_tokenstore.backends.csv._form import Form
from zoho_tokenstore.backends.csv._table import CSVTable
from zoho_tokenstore.errors import (
    BackendError,
    BackendTimeoutError,
    BackendUnavailableError,
    ConfigurationError,
)

_TIMESTAMP_STEP_NS: Final = 100_000_000
_COARSE_TIMESTAMP_STEP_NS: Final = 2_500_000_000
"""The longest time in which two writes to a file can have one time stamp: a tick of the kernel's
clock is at most 10 ms, FAT counts in steps of two seconds. Both rounded up."""

_MIN_FREE: Final = 65_536
"""What a save needs besides the file, in bytes: one more row, the leases, the retired ids."""

_RECHECK_INTERVAL: Final = 0.025
_QUIET_TIMEOUT: Final = 5.0

Change = Callable[[CSVTable], CSVTable | None]


class FileVersion(NamedTuple):
    """What was read at one moment, and how to check whether it still holds.

    It is settled if anything written later will have another fingerprint.
    """

    data: bytes
    table: CSVTable
    is_ours: bool
    fingerprint: atomic_files.Fingerprint
    is_settled: bool

    @property
    def written_ms(self) -> int:
        """When the file was written, in epoch milliseconds."""
        return self.fingerprint[0] // 1_000_000


class TokenFile:
    """A CSV file of tokens, for all threads and processes of the host.

    The path is absolute, with links resolved.
    """

    def __init__(self, path: Path, lock: HostLock, timeout: float) -> None:
        self.location = str(path)
        self._path = path
        self._lock = lock
        self._quiet_timeout = min(timeout, _QUIET_TIMEOUT)
        self._timeout = timeout
        self._known: FileVersion | None = None
        self._closed = False
        self._reading = threading.RLock()  # a signal's handler may come while this thread reads
        forks.reset_in_child(self)

    def reset(self) -> None:
        """In a child, drop what threads of its parent held."""
        self._reading = threading.RLock()

    def open(self) -> None:
        """Ensure that there is a file of ours: create one, or adopt one of the SDK's."""
        with map_os_errors(self._path):
            self._check_kind()
            check_place(self._path, *self._beside())
            if self._path.exists():
                check_mount(self._path)
                self._current()  # refuses what is no token file, before its rights are changed
            close_to_others(self._path)
            self._lock.create(rights_of=self._path)
            with self._lock.held():
                atomic_files.remove_strays(self._path)
                if not self._path.exists():
                    self._put(to_bytes((), Form()))
            self._check_writable()
            if not self._current().is_ours:
                self.change(lambda table: table)

    def table(self) -> CSVTable:
        """Return the rows as they are now."""
        return self._current().table

    def change(self, change: Change) -> CSVTable | None:
        """Replace the rows with what `change` returns for them; return what was replaced.

        `change` is called again if a program that takes no lock wrote to the file meanwhile. If
        it returns `None`, there is nothing to do.
        """
        deadline = time.monotonic() + self._timeout
        with map_os_errors(self._path), self._lock.held():
            while True:
                seen = self._current()
                table = change(seen.table)
                if table is None:
                    return None
                check_place(self._path)
                self._check_writable()
                if self._replace(seen, table.adopt(seen.written_ms)):
                    return seen.table
                if time.monotonic() > deadline:
                    raise self._quiet_timeout_error(self._timeout)

    def check_space(self) -> None:
        """Refuse what could not be written: a new version needs permissions, and room next to the old one."""
        with map_os_errors(self._path):
            check_place(self._path)
            self._check_writable()
            if shutil.disk_usage(self._path.parent).free < self._path.stat().st_size + _MIN_FREE:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def remove_strays(self) -> None:
        """Remove what killed processes left of their work."""
        with map_os_errors(self._path), self._lock.held():
            self._current()
            atomic_files.remove_strays(self._path)

    def close(self) -> None:
        """Refuse everything from now on."""
        self._closed = True
        self._known = None

    def _current(self) -> FileVersion:
        if self._closed:
            raise BackendError(f"The store on {self.location} has been closed.")
        try:
            known = self._still_known()
            if known is None:
                with self._reading:  # the others need not parse it too
                    known = self._known = self._still_known() or self._read(self._known)
        except OSError as error:
            if isinstance(error, BackendError):
                raise
            raise unavailable_error(self._path, error) from error
        return known

    def _still_known(self) -> FileVersion | None:
        """Return what is known, if certainly nobody wrote to the file since."""
        known = self._known
        if known is not None and known.is_settled:
            stat = os.stat(self.location)  # noqa: PTH116  # before nearly every API call
            if atomic_files.fingerprint(stat) == known.fingerprint:
                return known
        return None

    def _read(self, known: FileVersion | None) -> FileVersion:
        """Read the file, and wait while a program may be in the middle of writing it in place.

        What we wrote is complete, as its checksum shows. Anything else must have been unchanged for
        a moment: a file being written looks like one with fewer tokens.
        """
        deadline = time.monotonic() + self._quiet_timeout
        quiet = _QuietTimer()
        while True:
            now = time.time_ns()
            data, stat, undisturbed = atomic_files.read(self._path)
            settled = undisturbed and _is_settled(stat, now)
            fingerprint = atomic_files.fingerprint(stat)
            if known is not None and data == known.data:
                return known._replace(fingerprint=fingerprint, is_settled=settled)
            if settled or is_whole(data) or (undisturbed and quiet.is_reached(stat)):
                content = parse(data, self.location)
                table = CSVTable(content.lines, content.form)
                return FileVersion(data, table, content.is_ours, fingerprint, settled)
            if time.monotonic() > deadline:
                raise self._quiet_timeout_error(self._quiet_timeout)
            time.sleep(_RECHECK_INTERVAL)

    def _replace(self, seen: FileVersion, table: CSVTable) -> bool:
        """Put new content in place, unless somebody wrote to the file since it was seen."""
        data = to_bytes(table.lines.values(), table.form)
        if not self._put(data, seen):
            return False
        stat = self._path.stat()
        self._known = FileVersion(data, table, True, atomic_files.fingerprint(stat), False)
        return True

    def _put(self, data: bytes, seen: FileVersion | None = None) -> bool:
        with atomic_files.new_version(self._path, data, rights_of=self._path) as scratch:
            if seen is not None and atomic_files.fingerprint(self._path.stat()) != seen.fingerprint:
                return False
            written = identity(scratch)
            os.replace(scratch, self._path)  # noqa: PTH105  # where the tests' faults strike
        sync(self._path.parent)
        return identity(self._path) == written

    def _beside(self) -> list[Path]:
        """Return what may be next to the file: locks, leases, retired ids, and leftovers of them."""
        others = beside(self._path)
        return [*others, *(stray for path in (self._path, *others) for stray in atomic_files.strays(path))]

    def _check_kind(self) -> None:
        if not self._path.parent.is_dir():
            raise ConfigurationError(
                f"The folder {self._path.parent} of the token file does not exist. Create it."
            )
        if self._path.exists() and not self._path.is_file():
            raise ConfigurationError(f"{self._path} is not a file; a CSV store needs the path of one.")

    def _check_writable(self) -> None:
        """Refuse a write-protected folder or file, although the folder alone would allow replacing it."""
        effective = os.access in os.supports_effective_ids
        for path, right in ((self._path, os.W_OK), (self._path.parent, os.W_OK | os.X_OK)):
            if not os.access(path, right, effective_ids=effective):
                raise BackendUnavailableError(
                    f"The token file {self._path} is read-only. Give this user permission to write the file "
                    "and its folder."
                )

    def _quiet_timeout_error(self, seconds: float) -> BackendTimeoutError:
        return BackendTimeoutError(
            f"The token file {self._path} was being written for {seconds:g} s by a program that takes no "
            "lock, such as the SDK's FileStore. Nothing was changed; stop that program."
        )


class _QuietTimer:
    """Detects when a file has not been written to for a while, whatever the clocks say."""

    def __init__(self) -> None:
        self._seen: atomic_files.Fingerprint | None = None
        self._since = 0.0

    def is_reached(self, stat: os.stat_result) -> bool:
        """Return whether the file has been unchanged for longer than two writes can look like one."""
        now = time.monotonic()
        if atomic_files.fingerprint(stat) != self._seen:
            self._seen, self._since = atomic_files.fingerprint(stat), now
        return (now - self._since) * 1e9 > _timestamp_step_ns(stat)


def _is_settled(stat: os.stat_result, now_ns: int) -> bool:
    """Return whether any later write is sure to have a different time than the last."""
    return now_ns - max(stat.st_mtime_ns, stat.st_ctime_ns) > _timestamp_step_ns(stat)


def _timestamp_step_ns(stat: os.stat_result) -> int:
    return _COARSE_TIMESTAMP_STEP_NS if stat.st_ctime_ns % 1000 == 0 else _TIMESTAMP_STEP_NS
