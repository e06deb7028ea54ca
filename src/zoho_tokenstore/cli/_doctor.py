"""`zoho-tokens doctor`: what is wrong with a store, and the command that mends it."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoho_tokenstore._util.deadlines import Deadline, in_thread
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
from zoho_tokenstore.errors import BackendTimeoutError

if TYPE_CHECKING:
    from zoho_tokenstore._health import Health
    from zoho_tokenstore.doctor import Report
    from zoho_tokenstore.tokens import Tokens


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
            from zoho_tokenstore.doctor import examine

            with Progress("rows") as progress:
                report = examine(
                    None if store is None else named_url(store),
                    keys=keys,
                    timeout=timeout or timedelta(seconds=2),
                    everything=everything,
                    online=online,
                    on_rows=lambda rows: progress.tell(rows, "read"),
                )
            _show(report, verbose=verbose, as_json=as_json)
            is_healthy = report.is_healthy
        if not is_healthy:
            raise typer.Exit(1)


def _show(report: Report, *, verbose: bool, as_json: bool) -> None:
    if as_json:
        say(json.dumps(_as_json(report)))
    else:
        say_lines(of_examination(report, verbose=verbose))


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
    from zoho_tokenstore.registry import inspector_of

    inspector_of(url)  # loads the driver, which is not the store's fault
    deadline = Deadline(timeout.total_seconds())
    with _opened(url, keys, deadline) as tokens:
        health = tokens.check(timedelta(seconds=max(deadline.left(), 0.001)))
    if as_json:
        say(json.dumps(_health_as_json(health)))
    else:
        for part in health.parts:
            state = "healthy" if part.is_healthy else f"NOT healthy: {part.problem}"
            say(f"{part.name:5}  {part.seconds:6.3f} s  {state}")
    return health.is_healthy


def _opened(url: str, keys: str | None, deadline: Deadline) -> Tokens:
    from concurrent.futures import wait

    from zoho_tokenstore.registry import open_tokens

    ring = ring_of(keys) if keys else None
    opening = in_thread(lambda: open_tokens(url, keys=ring), "zoho-tokens doctor")
    if wait([opening], deadline.left()).not_done:
        raise BackendTimeoutError(
            "The store could not be opened in time. Run zoho-tokens doctor to find out why, or pass a longer "
            "--timeout."
        )
    return opening.result()


def _health_as_json(health: Health) -> dict[str, Any]:
    return {
        "is_healthy": health.is_healthy,
        "is_ready": health.is_ready,
        "seconds": round(health.seconds, 3),
        "parts": [asdict(part) | {"seconds": round(part.seconds, 3)} for part in health.parts],
    }
