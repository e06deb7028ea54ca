"""One examination: what can be asked is asked in order, within one deadline.

It is done in a thread of its own, which whoever waits leaves behind when the time is up: a driver or a
network file system may hang for longer than anybody has time. What was found by then is reported, and
every check that was not reached as not made.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from random import randrange
from typing import TYPE_CHECKING, Final

from zoho_tokenstore._inspection import Inspection
from zoho_tokenstore._unrevoked import OWED, scan_chain
from zoho_tokenstore._util.clock import Clock
from zoho_tokenstore._util.os_errors import exists
from zoho_tokenstore.doctor import _zoho as zoho
from zoho_tokenstore.doctor._checks import CHECKS, Check, Judge, Stage
from zoho_tokenstore.doctor._findings import Finding, Report, Severity
from zoho_tokenstore.doctor._subject import Keys, Login, Subject, read_login
from zoho_tokenstore.errors import BackendTimeoutError, TokenStoreError, forget_values
from zoho_tokenstore.records import Found
from zoho_tokenstore.registry import URL_VARIABLE, inspector_of
from zoho_tokenstore.renewal._lease_entry import LeaseEntry
from zoho_tokenstore.renewal._steps import Origin
from zoho_tokenstore.renewal._task import names_of

if TYPE_CHECKING:
    from zoho_tokenstore.sealing import KeysArg

_BATCH: Final = 500
_FIRST: Final = 2_000
_PART: Final = 200
_MOST: Final = 20_000
"""How many rows are read at most if not all are: in order at first, then from random places."""

_FOR_ROWS: Final = 0.7
"""The part of the time after which no further rows are read."""

_FRUITLESS: Final = 3
"""After how many places without new rows there are no more."""

_ORDER: Final = list(Severity)


class Examination:
    """Examines one store; the arguments are those of `examine`, with the timeout in seconds."""

    def __init__(
        self,
        url: str | None,
        keys: KeysArg | None,
        *,
        timeout: float,
        everything: bool,
        online: bool,
        clock: Clock,
        on_rows: Callable[[int], object],
    ) -> None:
        self._began = time.monotonic()
        self._url, self._timeout, self._clock = url, timeout, clock
        self._everything, self._online, self._on_rows = everything, online, on_rows
        self._given_keys = keys
        self._subject: Subject | None = None
        self._results: dict[str, list[Finding] | str] = {}  # what each check found, or why it was not made
        self._rows, self._is_sample = 0, False
        self._has_answered = False
        self._lock = threading.Lock()
        self._done = threading.Event()

    def run(self) -> Report:
        """Do it, and return what was found when it is done or the time is up."""
        with contextlib.suppress(TokenStoreError):  # it is raised, and reported, once more
            inspector_of(self._url)  # loads the driver, which is not the store's fault
        self._began = time.monotonic()
        threading.Thread(target=self._examine, name="zoho-tokenstore doctor", daemon=True).start()
        is_done = self._done.wait(self._left())
        if not is_done and self._everything and self._has_answered:
            self._done.wait()
        with self._lock:
            self._give_up()
            return self._report()

    def _examine(self) -> None:
        inspection: Inspection | None = None
        try:
            self._subject = subject = Subject(_scheme_of(self._url), self._clock(), Keys(self._given_keys))
            self._run(Stage.KEYS, subject)
            try:
                inspection = inspector_of(self._url)(self._left())
            except TokenStoreError as error:
                subject.error = error
                self._run(Stage.ASKED, subject)
            else:
                subject.location, subject.files = inspection.location, inspection.files
                self._examine_storage(inspection, subject)
        except Exception as error:  # noqa: BLE001  # reported: a check that fails must not look healthy
            with self._lock:
                self._failed(f"the examination stopped: {type(error).__name__}")
        finally:
            self._done.set()
            if inspection is not None:
                inspection.close()

    def _examine_storage(self, inspection: Inspection, subject: Subject) -> None:
        if subject.files:
            self._run(Stage.FILES, subject)
        else:
            self._drop(Stage.FILES)
        self._ask(inspection, subject)
        self._run(Stage.ASKED, subject)
        if subject.facts is None:
            self._run(Stage.PARTIAL, subject)
            return
        self._run(Stage.ANSWERED, subject)
        if subject.facts.is_complete:
            self._read_rows(inspection, subject)
        if self._online:
            zoho.ask_the_time(subject, self._for_zoho)
        self._run(Stage.PARTIAL, subject)

    def _ask(self, inspection: Inspection, subject: Subject) -> None:
        try:
            if subject.files and not exists(subject.files[0]):
                return  # looking might create it
            subject.facts = inspection.look(thorough=self._everything)
            subject.now_ms = self._clock()
            if subject.facts.is_complete:
                owed = scan_chain(OWED, lambda name: inspection.entries([name]).get(name, ""))
                subject.owed = sum(1 for _ in owed)
        except TokenStoreError as error:
            forget_values(error)
            subject.error = error
        self._has_answered = True

    # ---- rows

    def _read_rows(self, inspection: Inspection, subject: Subject) -> None:
        checks = [check for check in CHECKS.values() if check.judge is not None]
        judges = {check.name: check.judge(subject) for check in checks if check.judge is not None}
        try:
            for batch in self._batches(inspection):
                logins = _logins(batch, inspection, subject)
                with self._lock:
                    self._see(logins, judges)
                self._on_rows(self._rows)
        except TokenStoreError as error:
            forget_values(error)
            subject.error = error
            self._run(Stage.ASKED, subject)
        with self._lock:
            self._conclude(judges, subject)

    def _batches(self, inspection: Inspection) -> Iterator[Sequence[Found]]:
        if self._everything:
            found = inspection.scan()
            while batch := list(islice(found, _BATCH)):
                yield batch
            return
        first = list(islice(inspection.scan(limit=_FIRST + 1), _FIRST + 1))
        self._is_sample = len(first) > _FIRST
        yield from (first[start : start + _BATCH] for start in range(0, min(len(first), _FIRST), _BATCH))
        if self._is_sample:
            yield from self._random_parts(inspection, {found.id for found in first[:_FIRST]})

    def _random_parts(self, inspection: Inspection, seen: set[str]) -> Iterator[list[Found]]:
        """Yield rows from random places, as long as there is time. Our own ids are nine digits."""
        fruitless = 0
        while fruitless < _FRUITLESS and len(seen) < _MOST and self._left() > self._timeout * (1 - _FOR_ROWS):
            place = str(900_000_000 + randrange(90_000_000))  # noqa: S311  # a sample, not a secret
            part = [found for found in inspection.scan(after=place, limit=_PART) if found.id not in seen]
            seen |= {found.id for found in part}
            fruitless = 0 if part else fruitless + 1
            yield part

    def _see(self, logins: list[Login], judges: dict[str, Judge]) -> None:
        for name, judge in list(judges.items()):
            try:
                for login in logins:
                    judge.see(login)
            except Exception as error:  # noqa: BLE001  # as in _run_one
                self._results[name] = _failed(error)
                del judges[name]
        self._rows += len(logins)

    def _conclude(self, judges: dict[str, Judge], subject: Subject) -> None:
        """Note what the judges found; one that found nothing in a part of the rows has not checked them."""
        error = subject.error
        stopped = "" if error is None else f"reading stopped after {self._rows:,} rows: {error}"
        for name, judge in judges.items():
            self._results[name] = _named(name, judge.findings()) or stopped or []

    # ---- checks of the store as a whole

    def _run(self, stage: Stage, subject: Subject) -> None:
        for each in CHECKS.values():
            if each.stage is stage:
                self._run_one(each, subject)

    def _run_one(self, each: Check, subject: Subject) -> None:
        try:
            found = _named(each.name, each.run(subject))
        except Exception as error:  # noqa: BLE001  # reported: a check that fails must not look healthy
            with self._lock:
                self._results[each.name] = _failed(error)
            return
        is_known = subject.facts is not None and subject.facts.is_complete
        if found or is_known or each.stage not in (Stage.PARTIAL, Stage.ANSWERED):
            with self._lock:
                self._results[each.name] = found

    def _drop(self, stage: Stage) -> None:
        """Leave out checks that do not apply."""
        self._results |= {each.name: [] for each in CHECKS.values() if each.stage is stage}

    # ---- the end

    def _for_zoho(self) -> float:
        return self._timeout if self._everything else self._left()  # reading all rows may have taken longer

    def _left(self) -> float:
        return max(0.0, self._timeout - (time.monotonic() - self._began))

    def _give_up(self) -> None:
        """Note what has not been reached, once the time is up."""
        if self._done.is_set():
            self._failed("the store could not be asked")
            return
        if self._subject is not None and not self._has_answered:
            late = BackendTimeoutError(f"{self._subject.location} did not answer within {self._timeout:g} s.")
            self._subject.error = late
            unreachable = CHECKS["store-unreachable"]
            self._results[unreachable.name] = _named(unreachable.name, unreachable.run(self._subject))
        self._failed(f"no time was left after {self._timeout:g} s and {self._rows:,} rows")

    def _failed(self, why: str) -> None:
        for name in CHECKS:
            self._results.setdefault(name, why)

    def _report(self) -> Report:
        made = {name: found for name, found in self._results.items() if not isinstance(found, str)}
        findings = [finding for found in made.values() for finding in found]
        return Report(
            location=self._subject.location if self._subject is not None else _scheme_of(self._url),
            findings=tuple(sorted(findings, key=lambda found: (_ORDER.index(found.severity), found.check))),
            healthy=tuple(name for name, found in made.items() if not found),
            not_checked={name: why for name, why in self._results.items() if isinstance(why, str)},
            rows=self._rows,
            is_sample=self._is_sample,
            seconds=time.monotonic() - self._began,
        )


def _scheme_of(url: str | None) -> str:
    """Return how a store is called whose URL has not been understood yet: it may hold or be a secret."""
    scheme, colon, _ = (url or os.environ.get(URL_VARIABLE, "")).partition("://")
    return f"The store {scheme[:20]}://…" if colon else "The store"


def _named(name: str, findings: Iterable[Finding]) -> list[Finding]:
    return [replace(finding, check=name) for finding in findings]


def _failed(error: Exception) -> str:
    forget_values(error)
    return (
        str(error)
        if isinstance(error, TokenStoreError)
        else f"the check itself failed: {type(error).__name__}: {error}"
    )


def _logins(batch: Sequence[Found], inspection: Inspection, subject: Subject) -> list[Login]:
    """Return rows as logins, with what is noted of their renewals."""
    logins = [read_login(found, subject.keys) for found in batch]
    names = [next(iter(names_of(login.record)), "") if login.record else "" for login in logins]
    entries = inspection.entries([name for name in names if name])
    subject.domains |= {
        login.record.api_domain for login in logins if login.record and login.record.api_domain
    }
    return [
        login._replace(entry=_entry(login, entries.get(name, "")), now_ms=subject.storage_ms)
        for login, name in zip(logins, names, strict=True)
    ]


def _entry(login: Login, text: str) -> LeaseEntry:
    entry = LeaseEntry.parse(text)
    return entry if login.record is None else entry.at(Origin().server_of(login.record))
