"""`zoho-tokens doctor`: what is wrong with a store, and the command that mends it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoho_tokenstore.cli._durations import parse_limit
from zoho_tokenstore.cli._reports import of_examination, page_of
from zoho_tokenstore.cli._shared import (
    AsJSON,
    KeysPlace,
    Progress,
    StoreURL,
    named_url,
    ring_of,
    say,
    say_lines,
    store_url,
    told,
)

if TYPE_CHECKING:
    from zoho_tokenstore._health import Health
    from zoho_tokenstore.doctor import Report


def doctor(
    store: StoreURL = None,
    keys: KeysPlace = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Read all rows and pages, however long that takes.")
    ] = False,
    online: Annotated[
        bool, typer.Option("--online", help="Also ask Zoho for the time, without any credential.")
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Open the store, and only check that it works, as a probe does.")
    ] = False,
    timeout: Annotated[
        timedelta | None,
        typer.Option(
            parser=parse_limit,
            metavar="DURATION",
            help="Time limit for all of it, without --all. [2s; 1s with --quick]",
            show_default=False,
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Also list the checks that found nothing.")
    ] = False,
    as_json: AsJSON = False,
) -> None:
    """Find what is wrong with a store; nothing is changed. Ends with 1 if a check fails or finds an error."""
    with told():
        if quick:
            is_healthy = _check(store_url(store), keys, timeout or timedelta(seconds=1), as_json=as_json)
        else:
            url = None if store is None else named_url(store)
            is_healthy = _examine(
                url, keys, timeout or timedelta(seconds=2), everything, online, verbose, as_json=as_json
            )
        if not is_healthy:
            raise typer.Exit(1)


def _examine(
    url: str | None,
    keys: str | None,
    timeout: timedelta,
    everything: bool,
    online: bool,
    verbose: bool,
    *,
    as_json: bool,
) -> bool:
    from zoho_tokenstore.doctor import examine

    progress = Progress("rows")
    report = examine(
        url,
        keys=keys,
        timeout=timeout,
        everything=everything,
        online=online,
        on_rows=lambda rows: progress.tell(rows, "read"),
    )
    progress.end()
    if as_json:
        say(json.dumps(_as_json(report)))
    else:
        say_lines(of_examination(report, verbose=verbose))
    return report.is_healthy


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "store": report.location,
        "is_healthy": report.is_healthy,
        "rows": report.rows,
        "is_sample": report.is_sample,
        "seconds": round(report.seconds, 3),
        "findings": [
            {
                "check": finding.check,
                "severity": finding.severity,
                "summary": finding.summary,
                "remedy": finding.remedy,
                "count": finding.count,
                "rows": [{"id": row_id, "reason": why} for row_id, why in finding.ids],
                "page": page_of(finding),
            }
            for finding in report.findings
        ],
        "healthy": list(report.healthy),
        "not_checked": dict(report.not_checked),
    }


def _check(url: str, keys: str | None, timeout: timedelta, *, as_json: bool) -> bool:
    """Open the store as a program would, and check that it works; an error at opening is reported alike."""
    from zoho_tokenstore.registry import open_tokens

    with open_tokens(url, keys=ring_of(keys) if keys else None) as tokens:
        health = tokens.check(timeout)
    if as_json:
        say(json.dumps(_health_as_json(health)))
    else:
        _show_health(health)
    return health.is_healthy


def _show_health(health: Health) -> None:
    for part in health.parts:
        state = "healthy" if part.is_healthy else f"NOT healthy: {part.problem}"
        say(f"{part.name:5}  {part.seconds:6.3f} s  {state}")


def _health_as_json(health: Health) -> dict[str, Any]:
    return {
        "is_healthy": health.is_healthy,
        "is_ready": health.is_ready,
        "seconds": round(health.seconds, 3),
        "parts": [
            {
                "name": part.name,
                "is_healthy": part.is_healthy,
                "seconds": round(part.seconds, 3),
                "problem": part.problem,
            }
            for part in health.parts
        ],
    }
