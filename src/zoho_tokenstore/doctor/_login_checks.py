"""Checks of logins: what is noted of their renewals, and what they have in common with each other."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Final

from zoho_tokenstore._util.durations import ms
from zoho_tokenstore.doctor._checks import Tally, compares_rows, error, row_check
from zoho_tokenstore.doctor._findings import Finding, Severity
from zoho_tokenstore.doctor._subject import Holder, Login, Subject
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.renewal import _datacenters as datacenters
from zoho_tokenstore.renewal._clock_skew import ClockSkew
from zoho_tokenstore.renewal._freshness import Freshness, TokenState
from zoho_tokenstore.renewal._lease_entry import within_window

_LASTING_MS: Final = 600_000
"""After how long renewals that fail are worth a finding."""

_TOKEN_LIFE_MS: Final = 3_600_000
_TOLERANCE_MS: Final = 30_000
_REFUSALS: Final = ("invalid_client", "invalid_code")
"""What Zoho answers if it is asked in another data centre than that of the client or the login."""


@row_check(
    "dead-logins",
    Severity.WARNING,
    "{rows} whose users have to log in again: Zoho refuses to renew them, or they have expired and have "
    "nothing to renew with.",
    "Let them log in; or remove those that nobody needs: zoho-tokens delete ID",
)
def dead_logins(login: Login, subject: Subject) -> str | None:
    """A login gives no access token any more."""
    if is_refused(login):
        return f"{login.entry.failure.code or 'refused'}" if login.entry.failure else None
    if login.record is None:
        return None
    state = Freshness(subject.policy, lambda: subject.now_ms, _NO_SKEW).of(login.record)
    return "expired" if state is TokenState.LOGIN_NEEDED else None


@row_check(
    "failing-renewals",
    Severity.WARNING,
    "{rows} that could not be renewed for ten minutes and more: Zoho was not reached, or gave no answer.",
    "Check the network, the proxy and https://status.zoho.com; then: zoho-tokens refresh ID",
)
def failing_renewals(login: Login, _: Subject) -> str | None:
    """Renewals of a login fail, and nobody knows why."""
    failure = login.entry.failure
    if failure is None or failure.kind not in ("transient", "uncertain"):
        return None
    lasting = login.now_ms - failure.since_ms
    return f"for {lasting // 60_000:,} min, {failure.tries:,} tries" if lasting >= _LASTING_MS else None


@row_check(
    "budget-spent",
    Severity.WARNING,
    "{rows} that were renewed too often: Zoho takes ten requests for one refresh token in ten minutes, and "
    "then refuses.",
    "Find what renews so often: a program that calls refresh or invalidate in a loop, or an “ahead” that is "
    "too long.",
)
def budget_spent(login: Login, subject: Subject) -> str | None:
    """A login's requests to Zoho are used up for now."""
    blocked = login.entry.blocked_ms(login.now_ms, subject.policy)
    return f"for {blocked // 1000 + 1:,} s" if blocked else None


@row_check(
    "shared-login",
    Severity.WARNING,
    "{rows} that something else renews, too, without the lease of this store: another store with the same "
    "refresh token, or a program with Zoho's published code.",
    "Let both use this store: zoho-tokens copy SRC DST, then open it with the same URL; or give each its "
    "own login.",
)
def shared_login(login: Login, subject: Subject) -> str | None:
    """Zoho counts more renewals of a login than we made, or it is fresher than our last renewal made it."""
    entry, record = login.entry, login.record
    failure, renewed = entry.failure, entry.renewed
    if failure is not None and failure.kind == "throttled":
        refused_at = failure.until_ms - ms(subject.policy.window)
        ours = len(within_window(entry.sent, refused_at, subject.policy))
        if ours < subject.policy.budget and login.now_ms < failure.until_ms:
            return f"Zoho refused more than {ours:,} requests"
    if renewed is None or record is None or record.id != renewed.token_id:
        return None
    later = (record.updated_at_ms or 0) - renewed.saved_ms
    life = (record.expires_at_ms or 0) - renewed.saved_ms
    if later > _TOLERANCE_MS and life > _TOKEN_LIFE_MS + _TOLERANCE_MS:
        return f"renewed {later // 1000:,} s after our last renewal"
    return None


@row_check(
    "sandbox",
    Severity.ERROR,
    "{rows} with the login of another row, one for a sandbox and one for production: a program renewed a "
    "sandbox's login against production, and its calls go there.",
    "Delete the row with the wrong API domain: zoho-tokens delete ID. In the SDK, set update_api_domain to "
    "False.",
)
def sandbox(login: Login, subject: Subject) -> str | None:
    """One login is in a sandbox's row and in production's: it was renewed against the wrong one."""
    other = _other_with_same_token(subject.seen, login.record)
    if other is None or login.record is None:
        return None
    domains = (datacenters.as_listed(login.record.api_domain or ""), other.api_domain)
    here, there = map(datacenters.of_api_domain, domains)
    is_moved = here is not None and here is there and here.production in domains
    return f"same login as {other.row_id}" if is_moved else None


@compares_rows("data-centre")
class DataCentre:
    """A login is of another data centre than its row or its client, so that Zoho refuses it."""

    def __init__(self, subject: Subject) -> None:
        self._seen = subject.seen
        self._alive: set[tuple[str, str]] = set()
        self._refused: list[tuple[str, str, str]] = []
        self._tally = Tally()

    def see(self, login: Login) -> None:
        record = login.record
        center = None if record is None else datacenters.of_api_domain(record.api_domain or "")
        if record is None or center is None:
            return
        other = _other_with_same_token(self._seen, record)
        if other is not None and datacenters.of_api_domain(other.api_domain) is not center:
            self._tally.add(login.id, f"same login as {other.row_id}, in another data centre")
        client = record.client_id or ""
        if not is_refused(login):
            self._alive.add((client, center.location))
        elif login.entry.failure is not None and login.entry.failure.code in _REFUSALS:
            self._refused.append((login.id, client, center.location))

    def findings(self) -> Iterable[Finding]:
        for row_id, client, location in self._refused:
            homes = sorted(home for its, home in self._alive if its == client)
            if homes and location not in homes:
                self._tally.add(row_id, f"in {location}; its client works in {', '.join(homes)}")
        return self._tally.about(
            error(
                "{rows} of another data centre than their client or login: Zoho refuses them there.",
                "Let these users log in at their own data centre; in Zoho's API console, enable it for the "
                "client (Settings, Multi-DC).",
            )
        )


def is_refused(login: Login) -> bool:
    """Return whether Zoho has refused to renew a login, for good."""
    return login.entry.failure is not None and login.entry.failure.kind == "rejected"


def _other_with_same_token(seen: dict[int, Holder], record: TokenRecord | None) -> Holder | None:
    """Return the row seen before that has the same refresh token, or note this one."""
    if record is None or not record.refresh_token or record.id is None:
        return None
    mine = Holder(record.id, sys.intern(datacenters.as_listed(record.api_domain or "")))
    first = seen.setdefault(hash((record.client_id, record.refresh_token)), mine)
    return None if first.row_id == mine.row_id or first.api_domain == mine.api_domain else first


_NO_SKEW: Final = ClockSkew(lambda *_, **__: None)
