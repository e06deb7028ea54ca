"""Results as JSON files, and as tables in docs/reference/performance.md."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks import harness
from benchmarks.figures import LIMITS, Figure, Figures, Limit
from benchmarks.harness import Timing

HERE: Final = Path(__file__).parent
RESULTS: Final = HERE / "results"
PAGE: Final = HERE.parent / "docs" / "reference" / "performance.md"

BEGIN: Final = "<!-- measured: python -m benchmarks -->"
END: Final = "<!-- end of measured -->"


def write(benchmark: str, figures: Iterable[Figure], folder: Path) -> None:
    """Write the results of one benchmark as JSON; times in seconds."""
    result = {
        "command": f"python -m benchmarks --only {benchmark}",
        "measured_on": datetime.now(UTC).date().isoformat(),
        "machine": harness.machine(),
        "figures": [
            {
                "key": figure.key,
                "label": figure.label,
                "median": round(figure.timing.median, 9),
                "mean": round(figure.timing.mean, 9),
            }
            for figure in figures
        ],
    }
    folder.mkdir(exist_ok=True)
    text = json.dumps(result, indent=2, ensure_ascii=False) + "\n"
    (folder / f"{benchmark}.json").write_text(text, encoding="utf-8")


def read(benchmark: str, folder: Path) -> dict[str, Any]:
    """Return what `write` wrote."""
    result: dict[str, Any] = json.loads((folder / f"{benchmark}.json").read_text(encoding="utf-8"))
    return result


def figures_of(result: dict[str, Any]) -> dict[str, Figure]:
    """Return the figures of a result, by key."""
    return {
        item["key"]: Figure(item["key"], item["label"], Timing(item["median"], item["mean"]))
        for item in result["figures"]
    }


def tables(folder: Path) -> str:
    """Return the tables for the page, from all the results there are."""
    parts = [_part(read(path.stem, folder), path.stem) for path in sorted(folder.glob("*.json"))]
    return "\n\n".join(parts)


def put_into(page: Path, text: str) -> None:
    """Replace what stands between the markers of the page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, marker, after = rest.partition(END)
    if not marker:
        raise ValueError(f"{page.name} lacks the markers between which the tables belong.")
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def limits_table(limits: Iterable[Limit], figures: Figures) -> str:
    """Return the limits and what was measured, as a table in Markdown."""
    rows = [
        f"| {limit.title} | {cost_text(limit, limit.cost(figures))} | {cost_text(limit, limit.most)} | "
        f"{'yes' if limit.is_kept(figures) else '**no**'} |"
        for limit in limits
    ]
    return "\n".join(["| limit | measured | at most | kept |", "| --- | --- | --- | --- |", *rows])


def cost_text(limit: Limit, cost: float) -> str:
    """Return a cost for people."""
    if limit.kind == "seconds":
        return _time(cost)
    return f"{cost:.2f} ×" if limit.kind == "times" else f"{cost * 1000:.0f} ms more"


def figures_table(figures: Iterable[Figure]) -> str:
    """Return the figures as a table in Markdown."""
    rows = [
        f"| {figure.label} | {_time(figure.timing.median)} | {_time(figure.timing.mean)} |"
        for figure in figures
    ]
    return "\n".join(["| operation | median | mean |", "| --- | --- | --- |", *rows])


def _part(result: dict[str, Any], benchmark: str) -> str:
    figures = figures_of(result)
    about = ", ".join(result["machine"].values())
    return "\n\n".join(
        [
            f"### {benchmark}",
            f"`{result['command']}`, {result['measured_on']}: {about}.",
            limits_table(LIMITS.get(benchmark, ()), figures),
            figures_table(figures.values()),
        ]
    )


def _time(seconds: float) -> str:
    return f"{seconds * 1000:,.1f} ms" if seconds >= 0.001 else f"{seconds * 1_000_000:,.1f} µs"
