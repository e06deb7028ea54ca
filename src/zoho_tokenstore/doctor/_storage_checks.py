"""Checks of what a storage says of itself, and of how it can be reached."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from zoho_tokenstore.doctor import _file_checks as file_checks
from zoho_tokenstore.doctor._checks import Stage, check, error, note, warning
from zoho_tokenstore.doctor._findings import Finding
from zoho_tokenstore.doctor._subject import Subject
from zoho_tokenstore.errors import (
    AccountsUnavailableError,
    BackendTimeoutError,
    BackendUnavailableError,
    TokenStoreError,
)

_NEARLY: Final = 0.8
_SKEW_MS: Final = 30_000
"""A difference of clocks that is reported, as `renewal._clock_skew` does."""


@check("store-unreachable", Stage.ASKED)
def store_unreachable(subject: Subject) -> Iterator[Finding]:
    """The storage does not answer, or lets this user not in."""
    if isinstance(subject.error, BackendUnavailableError | BackendTimeoutError):
        yield _explained(subject.error)


@check("store-unusable", Stage.ASKED)
def store_unusable(subject: Subject) -> Iterator[Finding]:
    """The storage answers, but cannot be used as a store: damaged, foreign, of a newer release."""
    if subject.error is not None and not isinstance(
        subject.error, BackendUnavailableError | BackendTimeoutError
    ):
        yield _explained(subject.error)


@check("schema-older", Stage.ANSWERED)
def schema_older(subject: Subject) -> Iterator[Finding]:
    """The tables are those of Zoho's published code, or have lost what this release adds."""
    assert subject.facts is not None
    if subject.facts.schema == "older":
        yield warning(
            f"The schema of {subject.location} is older than this release: {subject.facts.outdated}. "
            "Programs with Zoho's published code save there without being noticed.",
            "Open it once with this release, which upgrades it in place: zoho-tokens doctor --quick",
        )
    elif subject.facts.schema == "missing" and subject.facts.is_complete:
        yield warning(
            f"{subject.location} has no tokens' table yet. The first program that opens it creates it.",
            "If that is a surprise, check the URL: its database, table and prefix.",
        )


@check("revocations-owed", Stage.ANSWERED)
def revocations_owed(subject: Subject) -> Iterator[Finding]:
    """Logins have ended here, and may be alive at Zoho."""
    if subject.owed:
        logins = "login has" if subject.owed == 1 else "logins have"
        yield warning(
            f"{subject.owed:,} {logins} ended here while Zoho could not be asked, and may be alive there.",
            "Send the revocations that are owed: zoho-tokens cleanup. Let cron run it once a day.",
        )


@check("read-only", Stage.PARTIAL)
def read_only(subject: Subject) -> Iterator[Finding]:
    """Nothing can be saved: tokens are still read, and none is renewed."""
    if subject.facts is not None and subject.facts.read_only:
        yield error(
            f"{subject.location} accepts no writes: {subject.facts.read_only}. No token is renewed or saved.",
            "Give the address of the server that accepts writes, or make this one writable.",
        )
    if subject.files:
        yield from file_checks.read_only_files(subject)


@check("connections", Stage.ANSWERED)
def connections(subject: Subject) -> Iterator[Finding]:
    """The server has few connections left, or none."""
    assert subject.facts is not None
    usage = subject.facts.connections
    remedy = "Let fewer processes connect, lower pool_size in the store's URL, or raise the server's limit."
    if not subject.facts.has_room:
        yield error(f"{subject.location} allows no more connections; this one was refused, too.", remedy)
    elif usage is not None and usage.used >= usage.limit * _NEARLY:
        yield warning(
            f"{subject.location} has {usage.used:,} of at most {usage.limit:,} connections. Beyond that, "
            "programs wait for each other, and then fail.",
            remedy,
        )


@check("eviction", Stage.ANSWERED)
def eviction(subject: Subject) -> Iterator[Finding]:
    """The server drops what it keeps when its memory is full."""
    facts = subject.facts
    assert facts is not None
    remedy = "redis-cli CONFIG SET maxmemory-policy noeviction, and the same in its configuration file"
    if facts.evicts and facts.evicts_tokens:
        yield error(
            f"{subject.location} evicts tokens when its memory is full (maxmemory-policy {facts.evicts}): "
            "users are logged out.",
            remedy,
        )
    elif facts.evicts:
        yield warning(
            f"{subject.location} may evict leases when its memory is full (maxmemory-policy {facts.evicts}): "
            "a token may then be renewed twice.",
            remedy,
        )


@check("durability", Stage.PARTIAL)
def durability(subject: Subject) -> Iterator[Finding]:
    """What was saved does not survive a crash or a restart."""
    if subject.files:
        yield from file_checks.lost_at_a_restart(subject)
    facts = subject.facts
    if facts is None:
        return
    if facts.loses:
        yield error(
            f"What {subject.location} has saved does not last: {facts.loses}.",
            "Switch that setting on: see the store's page, “What the server needs”.",
        )
    elif facts.hidden:
        yield warning(
            f"{subject.location} does not show {', '.join(facts.hidden)}, so nobody knows whether it keeps "
            "all tokens on a disk.",
            "Look it up where the server is managed: appendonly or save on, maxmemory-policy noeviction.",
        )


@check("pooler", Stage.ANSWERED)
def pooler(subject: Subject) -> Iterator[Finding]:
    """Something stands between the store and its server, and shares its connections."""
    assert subject.facts is not None
    if subject.facts.pooler == "statement":
        yield error(
            f"{subject.location} is behind a pooler that shares connections between statements: deletions "
            "and saves that need a transaction fail.",
            "Set pool_mode = transaction (or session) in PgBouncer.",
        )
    elif subject.facts.pooler:
        yield note(
            f"{subject.location} is behind a pooler, so no statement is prepared, and a look-up takes about "
            "twice as long.",
            "With PgBouncer 1.21 or newer and max_prepared_statements set, write ?prepare_threshold=5 in "
            "the URL.",
        )


@check("clock-skew", Stage.PARTIAL)
def clock_skew(subject: Subject) -> Iterator[Finding]:
    """This host's clock differs from the storage's, or from Zoho's if that was asked."""
    clocks = {**subject.zoho_ahead_ms, subject.location: subject.storage_ms - subject.now_ms}
    wrong = {whose: ms for whose, ms in clocks.items() if ms is not None and abs(ms) > _SKEW_MS}
    if not wrong and None in clocks.values():
        silent = ", ".join(whose for whose, ms in clocks.items() if ms is None)
        raise AccountsUnavailableError(f"Zoho did not say what time it is: {silent}.")
    for whose, ahead_ms in wrong.items():
        direction = "behind" if ahead_ms > 0 else "ahead of"
        yield warning(
            f"This host's clock is {abs(ahead_ms) // 1000:,} s {direction} that of {whose}. Tokens are taken "
            "for valid that are not, or are renewed too early.",
            "timedatectl set-ntp true, on the host whose clock is wrong",
        )


def _explained(failure: TokenStoreError) -> Finding:
    """Return the finding for an error: its first sentence says what happened, the others what to do."""
    summary, end, remedy = str(failure).partition(". ")
    return error(summary + end.strip(), remedy)
