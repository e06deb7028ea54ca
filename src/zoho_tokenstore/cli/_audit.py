"""`zoho-tokens audit`: begin an audit trail, read it, follow it, verify it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from zoho_tokenstore._util.durations import age_of
from zoho_tokenstore.cli._group import Group
from zoho_tokenstore.cli._shared import KeysPlace, StoreURL, say, told
from zoho_tokenstore.cli._texts import shown_id
from zoho_tokenstore.cli._times import rfc3339
from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.events import EventKind

if TYPE_CHECKING:
    from zoho_tokenstore.audit import AuditEntry, AuditReport, AuditTrail

audit = typer.Typer(
    cls=Group, invoke_without_command=True, help="The audit trail: who did what to which login."
)

_NONE: Final = "-"


def parse_time(text: str) -> datetime:
    """Return the time that is given, or that long ago."""
    ago = age_of(text)
    try:
        if ago is not None:
            return datetime.now(UTC) - ago
        given = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            "give a time as 2026-01-31T08:00:00Z (UTC if it has no zone), or 7d ago."
        ) from None
    return given if given.tzinfo is not None else given.replace(tzinfo=UTC)


Since = Annotated[
    datetime | None,
    typer.Option(
        "--since", parser=parse_time, metavar="TIME", help="Only from then on: a time, or 7d, 12h, 30m ago."
    ),
]
Until = Annotated[
    datetime | None,
    typer.Option("--until", parser=parse_time, metavar="TIME", help="Only before then; likewise."),
]


@audit.callback()
def entries(
    context: typer.Context,
    store: StoreURL = None,
    login: Annotated[
        str | None,
        typer.Option("--login", metavar="ID", help="Only about this login: its id, or its digest."),
    ] = None,
    user: Annotated[str | None, typer.Option("--user", help="Only about this user.")] = None,
    actor: Annotated[str | None, typer.Option("--actor", help="Only what this actor did.")] = None,
    what: Annotated[
        list[EventKind] | None,
        typer.Option("--what", metavar="KIND", help="Only of this kind, as renewed; may be repeated."),
    ] = None,
    since: Since = None,
    until: Until = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Wait for new entries; without --since, show only those.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Show the audit trail of a store, oldest entry first."""
    if context.invoked_subcommand is not None:
        if any(value for name, value in context.params.items() if name != "store"):
            raise typer.BadParameter(f"write options other than --store after {context.invoked_subcommand}.")
        context.obj = store
        return
    with told(stopped=None), _trail(store) as trail:
        found = trail.entries(
            login=login,
            user=user,
            actor=actor,
            what=[kind.value for kind in what or ()],
            since_ms=_ms(since),
            until_ms=_ms(until),
            follow=follow,
            after=trail.head_number() if follow and since is None else 0,
        )
        for entry in found:
            say(_as_json(entry) if as_json else _line(entry))


@audit.command()
def start(context: typer.Context, store: StoreURL = None) -> None:
    """Begin an audit trail: every program that opens the store from then on appends to it."""
    with told(), _trail(context.obj if store is None else store, begin=True) as trail:
        say(f"{trail.location} keeps an audit trail. Entries so far: {trail.head_number():,}")


@audit.command()
def verify(
    context: typer.Context,
    store: StoreURL = None,
    place: KeysPlace = None,
    anchor: Annotated[
        str | None,
        typer.Option(
            "--anchor", metavar="NUMBER:HASH", help="What an earlier run printed; it must still be there."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check that the trail is as it was written. Ends with 1 if not; names the first broken entry."""
    with told(), _trail(context.obj if store is None else store, place) as trail:
        report = trail.verify(anchor)
        if as_json:
            say(json.dumps(_facts(report)))
        else:
            _show(report, anchor)
        if not report.is_intact:
            raise typer.Exit(1)


@contextlib.contextmanager
def _trail(url: str | None, place: str | None = None, *, begin: bool = False) -> Iterator[AuditTrail]:
    from zoho_tokenstore.cli._opening import opened

    with opened(url, place, audit=begin or None) as (repository, _):
        if repository.audit is None:
            raise ConfigurationError(
                f"{repository.location} keeps no audit trail. SQLite and SQL databases can: begin one with "
                "zoho-tokens audit start, or pass audit=True."
            )
        yield repository.audit


def _ms(time: datetime | None) -> int | None:
    return None if time is None else int(time.timestamp() * 1000)


def _time(at_ms: int) -> str:
    return rfc3339(at_ms) or str(at_ms)  # one that no calendar has was not written by us


def _as_json(entry: AuditEntry) -> str:
    held = {name: value for name, value in vars(entry).items() if value is not None and name != "at_ms"}
    return json.dumps({"number": held.pop("number"), "at": _time(entry.at_ms), **held})


def _line(entry: AuditEntry) -> str:
    login = shown_id(entry.token_id) if entry.token_id else _NONE
    about = f"{entry.what:15}  {login:10}  {entry.user_name or _NONE}  by {entry.actor or _NONE}"
    where = f"{entry.process or _NONE}@{entry.host or _NONE}"
    notes = "".join(f"  ({note})" for note in _notes(entry))
    return f"{entry.number:>7}  {_time(entry.at_ms)}  {about}  {where}{notes}"


def _notes(entry: AuditEntry) -> Iterator[str]:
    if entry.reason:
        yield entry.reason
    if entry.former_login:
        yield f"login {entry.former_login} by {entry.login}"
    elif entry.login:
        yield f"login {entry.login}"
    if entry.count != 1:
        yield f"{entry.count:,} rows"
    if entry.missed:
        yield f"{entry.missed:,} entries before it could not be written"


def _facts(report: AuditReport) -> dict[str, object]:
    first, last = report.first, report.last
    return {
        "is_intact": report.is_intact,
        "entries": report.entries,
        "first": first and {"number": first.number, "at": _time(first.at_ms)},
        "last": last and {"number": last.number, "at": _time(last.at_ms)},
        "head": report.head,
        "missed": report.missed,
        "unsigned": report.unsigned,
        "broken_at": report.broken_at,
        "reason": report.reason,
        "has_anchor": report.has_anchor,
    }


def _show(report: AuditReport, anchor: str | None) -> None:
    if report.first is not None and report.last is not None:
        first, last = (f"{end.number} ({_time(end.at_ms)})" for end in (report.first, report.last))
        say(f"{report.entries:,} entries, {first} to {last}")
        if report.reason is None and report.first.number > 1:
            say(f"Those before were pruned, up to {report.first.number - 1:,}.")
    if report.missed:
        say(f"{report.missed:,} entries could not be written, as later ones say.", err=True)
    if report.reason is not None:
        say(f"BROKEN at entry {report.broken_at}: {report.reason}.", err=True)
    elif report.has_anchor is False:  # it may be behind the break, where nothing was looked for
        say(
            f"The anchor {anchor} is not in the trail: its end was removed, or it was written again.",
            err=True,
        )
    if report.reason is None and report.are_signed and report.unsigned:
        say(f"The keys given here did not sign the last {report.unsigned:,} entries.", err=True)
    if report.is_intact:
        signed = "signed by the keys given here" if report.are_signed else "chained, and not signed"
        say(f"Intact: {signed}")
    if report.head and report.reason is None:
        say(f"Head: {report.head}")
