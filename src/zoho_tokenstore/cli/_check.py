"""`zoho-tokens check`: whether anyone's token store does what Zoho's SDK and its users rely on."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections import defaultdict
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from zoho_tokenstore.cli._shared import AsJSON, Progress, say, told

if TYPE_CHECKING:
    from zoho_tokenstore.testing._checking import CheckReport, ClauseResult

_INDENT: Final = " " * 6
_LONGEST_REASON: Final = 300
_SHARED: Final = 3
"""So many clauses that fail at one line of the store have it named at the end."""


def check(
    factory: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:FACTORY",
            help="A function or class that makes a store: of an empty folder, or of nothing.",
            show_default=False,
        ),
    ],
    one_process: Annotated[
        bool,
        typer.Option("--one-process", help="The store is for one process, and can't be opened twice."),
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="CLAUSE", help="Only this clause, by number or name; repeatable."),
    ] = None,
    examples: Annotated[
        bool, typer.Option("--examples", "-e", help="Show the lines of each clause that fails.")
    ] = False,
    badge: Annotated[
        bool, typer.Option("--badge", help="Print a summary for a badge, as JSON of shields.io.")
    ] = False,
    as_json: AsJSON = False,
) -> None:
    """Prove a token store: run the contract over it. Ends with 1 if a clause fails."""
    with told():
        from zoho_tokenstore.testing._checking import check as run

        progress, seen = Progress("clauses"), [0]

        def on_result(result: ClauseResult) -> None:
            seen[0] += 1
            progress.tell(seen[0], result.clause.name)

        try:
            report = run(factory, one_process=one_process, only=only or (), on_result=on_result)
        finally:
            progress.end()
        if as_json:
            for result in report.results:
                say(json.dumps(_json_of(result)))
        elif badge:
            say(json.dumps(_badge_of(report)))
        else:
            _show(report, examples=examples)
        if not report.is_passed:
            raise typer.Exit(1)


def _show(report: CheckReport, *, examples: bool) -> None:
    failed, skipped, passed = (report.of(outcome) for outcome in ("failed", "skipped", "passed"))
    for severity, results in groupby(failed, lambda result: result.clause.severity):
        say(f"{severity}")
        for result in results:
            _show_failure(result, examples=examples)
    _show_shared(failed)
    if skipped:
        numbers = sorted(result.clause.number for result in skipped)
        say(f"Left out: {', '.join(numbers)} ({skipped[0].reason})")
    say(f"{report.subject}: {len(passed)} of {len(passed) + len(failed)} clauses hold.")


def _show_failure(result: ClauseResult, *, examples: bool) -> None:
    clause = result.clause
    say(f"  {clause.number:3} {clause.name}: {clause.harm}")
    width = max(40, shutil.get_terminal_size().columns - len(_INDENT) - 1)
    for text in (clause.statement, f"Rests on: {clause.basis}", _seen_in(result)):
        for line in textwrap.wrap(text, width):
            say(f"{_INDENT}{line}")
    if examples:
        for line in result.example:
            say(f"{_INDENT}| {line}")


def _seen_in(result: ClauseResult) -> str:
    """Return what was seen, and where in the store."""
    reason = " ".join(result.reason.split())[:_LONGEST_REASON]
    return f"Seen: {reason}" + (f" ({result.place})" if result.place else "")


def _show_shared(failed: list[ClauseResult]) -> None:
    """Name the lines of the store at which several clauses fail: most is gained by mending these."""
    at: dict[str, list[ClauseResult]] = defaultdict(list)
    for result in failed:
        at[result.place].append(result)
    at.pop("", None)
    for place, results in sorted(at.items(), key=lambda item: -len(item[1])):
        if len(results) >= _SHARED:
            numbers = ", ".join(result.clause.number for result in results)
            say(f"Mend {place} first: {len(results)} clauses fail there ({numbers}).")


def _json_of(result: ClauseResult) -> dict[str, Any]:
    return {
        **result.clause._asdict(),
        "outcome": result.outcome,
        "seconds": round(result.seconds, 3),
        "reason": result.reason,
        "place": result.place,
        "example": list(result.example),
    }


def _badge_of(report: CheckReport) -> dict[str, Any]:
    """Return what shields.io shows: https://shields.io/badges/endpoint-badge."""
    failed, passed = report.of("failed"), report.of("passed")
    worst = f", worst: {failed[0].clause.severity}" if failed else ""
    return {
        "schemaVersion": 1,
        "label": "Zoho TokenStore contract",
        "message": f"{len(passed)} of {len(passed) + len(failed)}{worst}",
        "color": "red" if failed else "brightgreen",
    }
