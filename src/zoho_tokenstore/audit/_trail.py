"""The audit trail of a store: what is written into it, and how it is read, verified and pruned."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import PurePath
from typing import Final

from zoho_tokenstore._util import forks
from zoho_tokenstore._util.clock import Clock, now_ms
from zoho_tokenstore._util.deadlines import Deadline
from zoho_tokenstore._util.durations import ms
from zoho_tokenstore.audit import _entries as entries
from zoho_tokenstore.audit._chain import AuditReport, Chain, parse_anchor
from zoho_tokenstore.audit._entries import AuditEntry
from zoho_tokenstore.audit._kinds import is_entry
from zoho_tokenstore.audit._signing import Signer
from zoho_tokenstore.backend import AuditLog, AuditRow
from zoho_tokenstore.errors import (
    BackendError,
    BackendTimeoutError,
    ConfigurationError,
    TokenStoreError,
    forget_values,
)
from zoho_tokenstore.events import Event, EventKind, OnEvent, current_actor, emit
from zoho_tokenstore.records import is_user

_APPEND_TIMEOUT: Final = 5.0
"""For how many seconds an entry is tried again while others append theirs."""

_PAUSE_FACTOR: Final = 4
"""After a failure nothing is tried for so many times as long as it took: a broken trail holds nobody up."""

_HIGHEST: Final = 2**63 - 1
"""The highest number that a database takes."""

_FOLLOW_INTERVAL: Final = 1.0
_DIGEST: Final = re.compile(r"[0-9a-f]{16}")


class AuditTrail:
    """The audit trail of a store, if it keeps one: `TokenRepository.audit`.

    It may be shared by all threads, and any number of processes and hosts may append to one trail.

    Arguments:
        log: where it is kept.
        location: the store's, for messages.
        signer: the keys that authenticate it.
        on_event: called when an entry could not be written.
        clock: the time in milliseconds since the epoch.
    """

    def __init__(
        self,
        log: AuditLog,
        location: str,
        signer: Signer,
        *,
        on_event: OnEvent | None = None,
        clock: Clock = now_ms,
    ) -> None:
        self._log = log
        self.location: Final = location
        self._signer = signer
        self._on_event = on_event
        self._clock = clock
        self._last: AuditRow | None = None  # as far as this process knows: it saves a read
        self.reset()
        forks.reset_in_child(self)

    def __repr__(self) -> str:
        return f"AuditTrail({self.location!r})"

    def reset(self) -> None:
        """Continue in a child: what the parent could not write, the parent reports."""
        self._appending = threading.Lock()
        self._counting = threading.Lock()
        self._missed = 0
        self._not_before = 0.0

    def entries(
        self,
        *,
        login: str | None = None,
        user: str | None = None,
        actor: str | None = None,
        what: Collection[str] = (),
        since_ms: int | None = None,
        until_ms: int | None = None,
        follow: bool = False,
        after: int = 0,
    ) -> Iterator[AuditEntry]:
        """Yield the entries in order, holding only some of them at a time.

        Arguments:
            login: only those about the login with this id, or with this digest.
            user: only those about this user: the name, or the e-mail address at its beginning.
            actor: only those of this actor.
            what: only those of these kinds, as ``"renewed"``.
            since_ms, until_ms: only those from then on, and before then, in epoch milliseconds.
            follow: wait for more at the end, without end, or until `until_ms`.
            after: only those with a higher number.

        Raises:
            BackendError: the storage failed, or there is an entry that cannot be read.
        """
        is_digest = login is not None and _DIGEST.fullmatch(login)
        token_id = None if is_digest else login

        def is_meant(entry: AuditEntry) -> bool:
            return (
                login in (None, entry.token_id, entry.login, entry.former_login)
                and is_user(user, entry.user_name)
                and actor in (None, entry.actor)
                and (not what or entry.what in what)
            )

        while True:
            is_over = until_ms is not None and self._clock() >= until_ms
            for row in self._log.scan(after=after, since_ms=since_ms, until_ms=until_ms, token_id=token_id):
                after = row.number
                entry = self._read(row)
                if is_meant(entry):
                    yield entry
            if is_over or not follow:
                return
            time.sleep(_FOLLOW_INTERVAL)

    def head_number(self) -> int:
        """Return the number of the last entry; 0 if there is none.

        Raises:
            BackendError: the storage failed.
        """
        last = self._log.last()
        return 0 if last is None else last.number

    def verify(self, anchor: str | None = None) -> AuditReport:
        """Go through the whole trail, and return whether it is as it was written.

        Without an anchor, nothing can show that entries are missing at its end.

        Arguments:
            anchor: the `head` of an earlier report, which must still be in the trail.

        Raises:
            ConfigurationError: the anchor is not one.
            BackendError: the storage failed.
        """
        wanted = None if anchor is None else parse_anchor(anchor)
        return Chain(self._signer, wanted).follow(self._log.scan())

    def prune(self, older_than: timedelta, *, dry_run: bool = False) -> int:
        """Delete the entries at the start that are older than that; return how many.

        An entry says how many were pruned and when, and has the hash of the last of them: so the trail can
        still be verified, and what is missing without such an entry shows. With `dry_run`, they are only
        counted.

        Raises:
            ConfigurationError: `older_than` is not a `timedelta`, or is negative.
            BackendError: the storage failed, or an entry to prune cannot be read; nothing was pruned.
        """
        if not isinstance(older_than, timedelta) or older_than < timedelta(0):
            raise ConfigurationError("prune: older_than must be a timedelta, not negative.")
        before_ms = self._clock() - ms(older_than)
        count, last = 0, None
        for entry in map(self._read, self._log.scan()):
            if entry.at_ms >= before_ms:
                break
            count, last = count + 1, entry
        if last is None or dry_run:
            return count
        draft = self._draft(EventKind.AUDIT_PRUNED)
        self._append(replace(draft, count=count, pruned_number=last.number, pruned_hash=last.hash))
        return self._log.prune(last.number)

    def start(self) -> bool:
        """Write the first entry, unless there are some; return whether it did.

        Raises:
            BackendError: the storage failed.
        """
        if self._log.last() is not None:
            return False
        self._append(self._draft(EventKind.AUDIT_STARTED))
        return True

    def record(self, event: Event) -> None:
        """Write an entry about an event, if it is one that the trail keeps.

        If that fails, what happened stays as it is: an event of the kind `audit_failed` reports it, and the
        next entry that can be written says how many are missing.
        """
        if not is_entry(event):
            return
        began = time.monotonic()
        if began < self._not_before:
            self._miss(event, BackendError("The storage failed a moment ago, and was not tried again."))
            return
        try:
            self._append(self._about(event))
        except TokenStoreError as error:
            forget_values(error)
            now = time.monotonic()
            self._not_before = now + _PAUSE_FACTOR * (now - began)
            self._miss(event, error)

    def close(self) -> None:
        """Write how many entries are missing, if no entry has said so yet."""
        if not self._missed:
            return
        try:
            self._append(self._draft(EventKind.AUDIT_FAILED))
        except TokenStoreError as error:
            reason = f"the note that {self._missed} entries are missing"
            kind, at_ms = EventKind.AUDIT_FAILED, self._clock()
            emit(
                self._on_event,
                Event(kind=kind, location=self.location, at_ms=at_ms, reason=reason, error=error),
            )

    def _read(self, row: AuditRow) -> AuditEntry:
        try:
            return entries.read(row)
        except entries.DamagedEntryError as damage:
            raise BackendError(
                f"Entry {row.number} of the audit trail of {self.location} cannot be read: {damage}. "
                "To see what else is wrong, run: zoho-tokens audit verify"
            ) from None

    def _about(self, event: Event) -> AuditEntry:
        return replace(
            self._draft(event.kind),
            at_ms=event.at_ms,
            token_id=event.token_id,
            user_name=entries.short(event.user_name),
            client_id=entries.short(event.client_id),
            login=event.login,
            former_login=event.former_login,
            actor=event.actor,
            reason=entries.short(event.reason),
            count=event.count,
        )

    def _draft(self, kind: EventKind) -> AuditEntry:
        return AuditEntry(
            number=0,
            at_ms=self._clock(),
            what=kind.value,
            actor=current_actor(),
            process=_process(),
            host=entries.short(_host()),
        )

    def _append(self, draft: AuditEntry) -> None:
        deadline = Deadline(_APPEND_TIMEOUT, longest_delay=0.02)
        with self._taking_turns(deadline):
            last = self._last or self._last_stored()
            draft = replace(draft, missed=self._missed)
            while True:
                row = self._chained(draft, last)
                if self._log.append(row):
                    self._last = row
                    self._count(-draft.missed)
                    return
                if not deadline.delay():
                    raise self._too_busy()
                last = self._last_stored()

    def _last_stored(self) -> AuditRow | None:
        """Return the last row, if another one can follow it."""
        row = self._log.last()
        if row is not None and not (isinstance(row.hash, str) and row.number < _HIGHEST):
            raise BackendError(
                f"Nothing can follow the last entry of the audit trail of {self.location}: somebody has "
                "changed it. To see what is wrong, run: zoho-tokens audit verify"
            )
        return row

    @contextmanager
    def _taking_turns(self, deadline: Deadline) -> Iterator[None]:
        """Let the threads of this process append one after the other."""
        if not self._appending.acquire(timeout=deadline.left()):
            raise self._too_busy()
        try:
            yield
        finally:
            self._appending.release()

    def _chained(self, draft: AuditEntry, last: AuditRow | None) -> AuditRow:
        number, previous = (1, entries.FIRST) if last is None else (last.number + 1, last.hash)
        key = self._signer.key()
        entry = replace(draft, number=number, previous=previous, key=key)
        row_hash = entries.hash_of(entries.text_of(entry))
        mac = None if key is None else self._signer.sign(key, row_hash)
        return entries.row_of(replace(entry, hash=row_hash), mac)

    def _too_busy(self) -> BackendTimeoutError:
        return BackendTimeoutError(
            f"An entry of the audit trail of {self.location} could not be written in "
            f"{_APPEND_TIMEOUT:.0f} s: others kept appending theirs."
        )

    def _miss(self, event: Event, error: TokenStoreError) -> None:
        self._count(1)
        missing = f"the entry that {event.token_id or 'a login'} was {event.kind.value}"
        emit(self._on_event, replace(event, kind=EventKind.AUDIT_FAILED, reason=missing, error=error))

    def _count(self, missed: int) -> None:
        with self._counting:
            self._missed += missed


def _process() -> str:
    """Return this process as syslog names one: program and process id."""
    path = PurePath(sys.argv[0] if sys.argv else "")
    program = path.parent.name if path.name == "__main__.py" else path.name  # python -m program
    return f"{program[:100] or 'python'}[{os.getpid()}]"


def _host() -> str:
    import socket  # not before something is audited

    return socket.gethostname()
