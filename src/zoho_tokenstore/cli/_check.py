"""`zoho-tokens check`: whether anyone's token store does what Zoho's SDK and its users rely on."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections import defaultdict
from enum import StrEnum
from itertools import count, groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from zoho_tokenstore.cli._shared import AsJSON, Progress, say, told

if TYPE_CHECKING:
    from zoho_tokenstore.testing._checking import CheckReport, ClauseResult

_DRIVERS: Final = Path(__file__).parents[1] / "testing" / "drivers"

_INDENT: Final = " " * 6
_LONGEST_REASON: Final = 300
_SHARED: Final = 3
"""So many clauses that fail at one line of the store have it named at the end."""


class Language(StrEnum):
    """A language that there is a driver for."""

    NODE = "node"
    PHP = "php"

    @property
    def suffix(self) -> str:
        """Return what the names of its files end with."""
        return "mjs" if self is Language.NODE else "php"


def check(
    factory: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:FACTORY",
            help="A function or class that makes a store: of an empty folder, or of nothing.",
            show_default=False,
        ),
    ] = "",
    driver: Annotated[
        str,
        typer.Option(
            "--driver",
            metavar="COMMAND",
            help="Instead: a program that answers for a store of another language, as 'node driver.mjs'.",
            show_default=False,
        ),
    ] = "",
    print_driver: Annotated[
        Language | None,
        typer.Option("--print-driver", help="Print a driver for Zoho's SDK of that language, and end."),
    ] = None,
    abilities: Annotated[
        str,
        typer.Option(
            metavar="LIST", help="What the store is able to do: some of these and 'sealed', or 'none'."
        ),
    ] = "persistent,shared,files",
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
    if print_driver is not None:
        for line in _DRIVERS.joinpath(f"driver.{print_driver.suffix}").read_text("utf-8").splitlines():
            say(line, is_safe=True)
        return
    with told():
        from zoho_tokenstore.testing._abilities import parse_abilities
        from zoho_tokenstore.testing._checking import check as run

        seen = count(1)
        with Progress("clauses") as progress:
            report = run(
                factory,
                driver=driver,
                abilities=parse_abilities(abilities),
                only=only or (),
                on_result=lambda result: progress.tell(next(seen), result.clause.name),
            )
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
    reason_of = attrgetter("reason")
    for reason, results in groupby(sorted(skipped, key=reason_of), reason_of):
        say(f"Left out: {', '.join(sorted(result.clause.number for result in results))} ({reason})")
    say(f"{report.subject}: {len(passed)} of {len(passed) + len(failed)} clauses hold.")


def _show_failure(result: ClauseResult, *, examples: bool) -> None:
    clause = result.clause
    say(f"  {clause.number:3} {clause.name}: {clause.harm}")
    reason = " ".join(result.reason.split())[:_LONGEST_REASON]
    place = f" ({result.place})" if result.place else ""
    width = max(40, shutil.get_terminal_size().columns - len(_INDENT) - 1)
    for text in (clause.statement, f"Rests on: {clause.basis}", f"Seen: {reason}{place}"):
        for line in textwrap.wrap(text, width):
            say(f"{_INDENT}{line}")
    if examples:
        for line in result.example:
            say(f"{_INDENT}| {line}")


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
