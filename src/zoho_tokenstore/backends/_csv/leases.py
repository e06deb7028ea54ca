"""Leases in a file beside the tokens: seen by every process of the host."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from zoho_tokenstore.backends._csv import files
from zoho_tokenstore.backends._csv.failures import explained
from zoho_tokenstore.backends._csv.locks import HostLock
from zoho_tokenstore.clock import Clock, now_ms
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.leases import FORGET_AFTER_MS, Lease

_log: Final = logging.getLogger("zoho_tokenstore")

Stored = dict[str, Lease]


class CSVLeases:
    """The leases of a token file, as JSON: a list of owner, end and note under each name.

    They hold among all processes of the host. There is no token in them. A file that cannot be
    read as leases is put aside under another name, which the log tells, and others begin: then a
    refresh that is under way may be sent a second time.

    Arguments:
        tokens: the token file; the leases are beside it, with the same rights.
        timeout: how long to wait for others, in seconds.
        clock: the time in milliseconds since the epoch; for tests.
    """

    def __init__(self, tokens: Path, timeout: float, clock: Clock = now_ms) -> None:
        self._tokens = tokens
        self._path = tokens.with_name(tokens.name + ".leases")
        self._lock = HostLock(self._path.with_name(self._path.name + ".lock"), self._path, timeout)
        self._clock = clock
        self._closed = False

    def look(self, name: str) -> Lease:
        self._check_open()
        with explained(self._path):
            try:
                leases = self._read()
            except ValueError:
                with self._lock.held():
                    leases = self._read_or_begin_anew()
        return leases.get(name, Lease())

    def acquire(self, name: str, owner: str, ttl_ms: int) -> Lease:
        with self._changing() as leases:
            now = self._clock()  # not before the lock is had: others may have taken the lease meanwhile
            lease = leases.get(name, Lease())
            if not lease.is_held(now, ttl_ms):
                lease = lease._replace(owner=owner, until_ms=now + ttl_ms)
                self._write({**_not_yet_forgotten(leases, now), name: lease})
        return lease

    def annotate(self, name: str, was: str, note: str) -> bool:
        with self._changing() as leases:
            lease = leases.get(name, Lease(None, self._clock()))
            if lease.note != was:
                return False
            self._write({**leases, name: lease._replace(note=note)})
        return True

    def release(self, name: str, owner: str) -> bool:
        with self._changing() as leases:
            lease = leases.get(name)
            if lease is None or lease.owner != owner:
                return False
            self._write({**leases, name: lease._replace(owner=None)})
        return True

    def open(self) -> None:
        """Make the lock, and remove what killed processes have left of their work."""
        with explained(self._path):
            self._lock.create(rights_of=self._tokens)
            with self._lock.held():
                files.remove_strays(self._path)

    def close(self) -> None:
        """Refuse everything from now on."""
        self._closed = True

    @contextmanager
    def _changing(self) -> Iterator[Stored]:
        self._check_open()
        with explained(self._path), self._lock.held():
            yield self._read_or_begin_anew()

    def _read(self) -> Stored:
        """Return the leases; raise a `ValueError` if the file holds something else."""
        try:
            data, _, _ = files.read(self._path)
        except FileNotFoundError:
            return {}
        try:
            stored = json.loads(data)
        except RecursionError:
            raise ValueError("nested too deeply") from None
        if not isinstance(stored, dict):
            raise ValueError("not an object")  # noqa: TRY004  # as json itself raises
        return {name: _lease(entry) for name, entry in stored.items()}

    def _read_or_begin_anew(self) -> Stored:
        try:
            return self._read()
        except ValueError:
            aside = self._path.with_name(self._path.name + ".broken")
            self._path.replace(aside)
            _log.error("The leases in %s cannot be read. The file is now %s.", self._path, aside)
            return {}

    def _write(self, leases: Stored) -> None:
        files.replace(self._path, json.dumps(leases).encode(), rights_of=self._tokens)

    def _check_open(self) -> None:
        if self._closed:
            raise BackendError(f"The store on {self._tokens} has been closed.")


def _not_yet_forgotten(leases: Stored, now: int) -> Stored:
    return {name: lease for name, lease in leases.items() if lease.until_ms >= now - FORGET_AFTER_MS}


def _lease(entry: object) -> Lease:
    match entry:
        case [str() | None as owner, int() as until_ms, str() as note]:
            return Lease(owner, until_ms, note)
    raise ValueError("not a lease")
