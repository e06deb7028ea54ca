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

from zoho_tokenstore.backends._csv import files
from zoho_tokenstore.backends._csv.content import is_whole, parse, to_bytes
from zoho_tokenstore.backends._csv.failures import explained, unavailable
from zoho_tokenstore.backends._csv.form import Form
from zoho_tokenstore.backends._csv.locks import HostLock
from zoho_tokenstore.backends._csv.table import Table
from zoho_tokenstore.backends._files import check_mount, check_place, close_to_others, identity, sync
from zoho_tokenstore.errors import (
    BackendError,
    BackendTimeoutError,
    BackendUnavailableError,
    ConfigurationError,
)
from zoho_tokenstore.leases import begin_anew_after_fork

_GRAIN_NS: Final = 100_000_000
_COARSE_GRAIN_NS: Final = 2_500_000_000
"""The longest time in which two writings of a file can have one time stamp: a tick of the kernel's
clock is 10 ms at most, FAT counts in steps of two seconds. Both generously."""

_ROOM: Final = 65_536
"""What a save needs beside the file, in bytes: one more row, the leases, the retired ids."""

_PAUSE: Final = 0.025
_PATIENCE: Final = 5.0

Change = Callable[[Table], Table | None]


class Version(NamedTuple):
    """What was read at one moment, and how to tell whether it still holds.

    It is settled if whatever is written later will have another fingerprint.
    """

    data: bytes
    table: Table
    is_ours: bool
    fingerprint: files.Fingerprint
    is_settled: bool

    @property
    def written_ms(self) -> int:
        """When the file was written, in epoch milliseconds."""
        return self.fingerprint[0] // 1_000_000


class TokenFile:
    """A CSV file of tokens, for all threads and processes of the host.

    Arguments:
        path: the file, absolute, with links resolved.
        lock: held by whoever changes it.
        timeout: how long to wait for others, in seconds.
    """

    def __init__(self, path: Path, lock: HostLock, timeout: float) -> None:
        self.location = str(path)
        self._path = path
        self._lock = lock
        self._patience = min(timeout, _PATIENCE)
        self._timeout = timeout
        self._known: Version | None = None
        self._closed = False
        self._reading = threading.Lock()
        begin_anew_after_fork(self)

    def begin_anew(self) -> None:
        """Drop in a child what threads of its parent held."""
        self._reading = threading.Lock()

    def open(self) -> None:
        """See to it that there is a file of ours: create one, or take over one of the SDK's.

        Raises:
            ConfigurationError: the path is no file's.
            BackendError: it is no token file, or not all of it can be read. It was left as it is.
            BackendUnavailableError: the file or its folder cannot be written.
        """
        with explained(self._path):
            self._check_kind()
            check_place(self._path, *self._beside())
            if self._path.exists():
                check_mount(self._path)
            close_to_others(self._path)
            self._lock.create(rights_of=self._path)
            with self._lock.held():
                files.remove_strays(self._path)
                if not self._path.exists():
                    self._put(to_bytes((), Form()))
            self._check_writable()
            if not self._current().is_ours:
                self.change(lambda table: table)

    def table(self) -> Table:
        """Return the rows as they are now.

        Raises:
            BackendError: the file cannot be read, or not all of it.
            BackendTimeoutError: a program that takes no lock keeps writing it.
        """
        return self._current().table

    def change(self, change: Change) -> Table | None:
        """Replace the rows by what `change` returns for them; return what was replaced.

        `change` is called again if a program that takes no lock has written the file meanwhile. If
        it returns `None`, there is nothing to do.
        """
        deadline = time.monotonic() + self._timeout
        with explained(self._path), self._lock.held():
            while True:
                seen = self._current()
                table = change(seen.table)
                if table is None:
                    return None
                check_place(self._path)
                self._check_writable()
                if self._replace(seen, table.adopted(seen.written_ms)):
                    return seen.table
                if time.monotonic() > deadline:
                    raise self._never_quiet(self._timeout)

    def check_space(self) -> None:
        """Refuse what could not be written: a new version needs rights, and room beside the old one."""
        with explained(self._path):
            check_place(self._path)
            self._check_writable()
            if shutil.disk_usage(self._path.parent).free < self._path.stat().st_size + _ROOM:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def remove_strays(self) -> None:
        """Remove what killed processes have left of their work."""
        with explained(self._path), self._lock.held():
            self._current()
            files.remove_strays(self._path)

    def close(self) -> None:
        """Refuse everything from now on."""
        self._closed = True
        self._known = None

    def _current(self) -> Version:
        if self._closed:
            raise BackendError(f"The store on {self.location} has been closed.")
        try:
            known = self._still_known()
            if known is None:
                with self._reading:  # the others need not parse it, too
                    known = self._known = self._still_known() or self._read(self._known)
        except OSError as error:
            if isinstance(error, BackendError):
                raise
            raise unavailable(self._path, error) from error
        return known

    def _still_known(self) -> Version | None:
        """Return what is known, if it is sure that nobody has written the file since."""
        known = self._known
        if known is not None and known.is_settled:
            stat = os.stat(self.location)  # noqa: PTH116  # before nearly every API call
            if files.fingerprint(stat) == known.fingerprint:
                return known
        return None

    def _read(self, known: Version | None) -> Version:
        """Read the file, and wait while it may be a program in the middle of writing it in place.

        What we have written is whole, as its checksum shows. Anything else must have been quiet for
        a moment: a file that is just being written looks like one with fewer tokens.
        """
        deadline = time.monotonic() + self._patience
        quiet = _Quiet()
        while True:
            now = time.time_ns()
            data, stat, undisturbed = files.read(self._path)
            settled = undisturbed and _is_settled(stat, now)
            fingerprint = files.fingerprint(stat)
            if known is not None and data == known.data:
                return known._replace(fingerprint=fingerprint, is_settled=settled)
            if settled or is_whole(data) or (undisturbed and quiet.is_reached(stat)):
                content = parse(data, self.location)
                table = Table(content.lines, content.form)
                return Version(data, table, content.is_ours, fingerprint, settled)
            if time.monotonic() > deadline:
                raise self._never_quiet(self._patience)
            time.sleep(_PAUSE)

    def _replace(self, seen: Version, table: Table) -> bool:
        """Put new content in place, unless somebody has written the file since it was seen."""
        data = to_bytes(table.lines.values(), table.form)
        if not self._put(data, seen):
            return False
        stat = self._path.stat()
        self._known = Version(data, table, True, files.fingerprint(stat), False)
        return True

    def _put(self, data: bytes, seen: Version | None = None) -> bool:
        with files.written(self._path, data, rights_of=self._path) as scratch:
            if seen is not None and files.fingerprint(self._path.stat()) != seen.fingerprint:
                return False
            written = identity(scratch)
            os.replace(scratch, self._path)  # noqa: PTH105  # where the tests' faults strike
        sync(self._path.parent)
        return identity(self._path) == written

    def _beside(self) -> list[Path]:
        """Return what may be beside the file: locks, leases, retired ids, and what was left of them."""
        leases, retired, lock, leases_lock = (
            self._path.with_name(self._path.name + suffix)
            for suffix in (".leases", ".retired", ".lock", ".leases.lock")
        )
        left = (stray for path in (self._path, leases, retired) for stray in files.strays(path))
        return [leases, retired, lock, leases_lock, *left]

    def _check_kind(self) -> None:
        if not self._path.parent.is_dir():
            raise ConfigurationError(
                f"The folder {self._path.parent} of the token file does not exist. Create it."
            )
        if self._path.exists() and not self._path.is_file():
            raise ConfigurationError(f"{self._path} is no file; a CSV store needs the path of one.")

    def _check_writable(self) -> None:
        """Refuse a write-protected file, which the folder alone would allow to replace, and folder."""
        effective = os.access in os.supports_effective_ids
        for path, right in ((self._path, os.W_OK), (self._path.parent, os.W_OK | os.X_OK)):
            if not os.access(path, right, effective_ids=effective):
                raise BackendUnavailableError(
                    f"The token file {self._path} is read-only. Give this user the right to write the file "
                    "and its folder."
                )

    def _never_quiet(self, seconds: float) -> BackendTimeoutError:
        return BackendTimeoutError(
            f"The token file {self._path} was being written for {seconds:g} s by a program that takes no "
            "lock, such as the SDK's FileStore. Nothing was changed; stop that program."
        )


class _Quiet:
    """Tells when a file has not been written for a while, whatever the clocks say."""

    def __init__(self) -> None:
        self._seen: files.Fingerprint | None = None
        self._since = 0.0

    def is_reached(self, stat: os.stat_result) -> bool:
        """Tell whether the file has been seen unchanged for longer than two writings can look like one."""
        now = time.monotonic()
        if files.fingerprint(stat) != self._seen:
            self._seen, self._since = files.fingerprint(stat), now
        return (now - self._since) * 1e9 > _grain_ns(stat)


def _is_settled(stat: os.stat_result, now_ns: int) -> bool:
    """Tell whether any later writing is sure to have another time than the last one."""
    return now_ns - max(stat.st_mtime_ns, stat.st_ctime_ns) > _grain_ns(stat)


def _grain_ns(stat: os.stat_result) -> int:
    return _COARSE_GRAIN_NS if stat.st_ctime_ns % 1000 == 0 else _GRAIN_NS
