"""The benchmarks: that they compare fairly, judge by the limits, and that the docs show what was measured."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import __main__ as command
from benchmarks import databases, harness, report
from benchmarks.figures import LIMITS, Figure, Limit, missed
from benchmarks.harness import Timing, interleave, machine, percentile_each, seconds_each, taking
from benchmarks.lookups import RandomLookups
from benchmarks.scale import FULL, Scale
from zoho_tokenstore.backends.sqlite import SQLiteBackend

TINY = Scale(
    usual_size=60,
    store_sizes=(40, 60),
    file_store_sizes=(20,),
    rounds=1,
    turns=10,
    settling_saves=10,
    storm_processes=2,
)


def fixed(*seconds: float) -> Callable[[], float]:
    """Return a block that takes these times, over and over."""
    times = itertools.cycle(seconds)
    return lambda: next(times)


def figure(key: str, seconds: float) -> Figure:
    return Figure(key, f"the {key}", Timing(seconds, seconds))


@pytest.mark.long
def test_all_figures_come_from_the_calmest_round() -> None:
    """Of three rounds the one with the least noise counts, for all cases, and the warm-up does not."""
    cases = {"a": fixed(0.1, 5, 2, 9), "b": fixed(0.1, 7, 3, 1)}
    assert interleave(cases, rounds=3, turns=1) == {"a": Timing(2, 2), "b": Timing(3, 3)}


@pytest.mark.long
def test_a_round_counts_by_its_median_and_keeps_the_mean() -> None:
    """One slow block of three changes the mean, and not the median."""
    assert interleave({"a": fixed(1, 1, 7)}, rounds=1, turns=3) == {"a": Timing(1, 3)}


def test_cases_take_turns_in_changing_order() -> None:
    """No case always runs behind the same other one."""
    seen: list[str] = []

    def case(name: str) -> Callable[[], float]:
        return lambda: seen.append(name) or 1.0  # type: ignore[func-returns-value]

    interleave({"a": case("a"), "b": case("b")}, rounds=1, turns=2)
    assert seen == ["a", "b", "b", "a"] * 2


def test_seconds_each_calls_once_per_argument() -> None:
    """What is timed is exactly one call for each argument."""
    seen: list[int] = []
    assert seconds_each(seen.append, [1, 2, 3]) > 0
    assert seen == [1, 2, 3]


def test_percentile_each_leaves_out_the_slowest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a hundred calls the slowest one is left out of p99, and the second is what it tells."""
    now = [0.0]
    monkeypatch.setattr(harness, "time", SimpleNamespace(perf_counter=lambda: now[0]))

    def call(seconds: float) -> None:
        now[0] += seconds

    times = [1.0] * 98 + [5.0, 100.0]
    assert percentile_each(call, times, 99) == 5.0
    assert percentile_each(call, times, 100) == 100.0
    assert percentile_each(call, times, 50) == 1.0


def test_taking_starts_again_at_the_end() -> None:
    """Blocks of ids never run dry."""
    take = taking("abc", 2)
    assert [take(), take()] == [["a", "b"], ["c", "a"]]


@pytest.mark.parametrize(("own", "kept"), [(1.0, True), (2.0, True), (2.01, False)])
def test_a_ratio_is_kept_up_to_its_limit(own: float, kept: bool) -> None:
    """At most 2 × includes 2 ×, and nothing above."""
    limit = Limit("save", "own", "other", 2.0)
    assert limit.is_kept({"own": figure("own", own), "other": figure("other", 1.0)}) is kept


@pytest.mark.parametrize(("own", "kept"), [(0.5, True), (1.75, True), (1.76, False)])
def test_a_difference_is_kept_up_to_its_limit(own: float, kept: bool) -> None:
    """A limit of so many seconds more is judged by the difference, not by the ratio."""
    limit = Limit("import", "own", "other", 0.75, "seconds more")
    assert limit.is_kept({"own": figure("own", own), "other": figure("other", 1.0)}) is kept


@pytest.mark.parametrize(("own", "kept"), [(0.0002, True), (0.00021, False)])
def test_a_limit_beside_nothing_is_a_time(own: float, kept: bool) -> None:
    """A limit in seconds is judged by the figure alone, and told as a time."""
    limit = Limit("copy", "own", None, 0.0002, "seconds")
    assert limit.is_kept({"own": figure("own", own)}) is kept
    assert report.cost_text(limit, limit.most) == "200.0 µs"


def test_a_figure_that_was_not_measured_is_not_kept_quietly() -> None:
    """A limit without its figures fails loudly."""
    with pytest.raises(KeyError):
        missed("saves", {})


@pytest.mark.long
@pytest.mark.clear
@pytest.mark.timeout(600)  # it runs all benchmarks, in small
def test_every_benchmark_measures_what_the_limits_are_about(tmp_path: Path) -> None:
    """Each benchmark runs; its figures can be told apart; no limit waits for one that is not measured."""
    measured = {name: measure(TINY, tmp_path) for name, measure in command.BENCHMARKS.items()}
    figures = [figure for found in measured.values() for figure in found]
    assert all(measured.values())
    assert all(figure.timing.median > 0 and figure.label for figure in figures)
    assert len({figure.key for figure in figures}) == len(figures)
    assert set(LIMITS) <= set(command.BENCHMARKS)
    kinds = {kind_of(figure.key) for figure in figures}
    wanted = [
        key for limits in LIMITS.values() for limit in limits for key in (limit.figure, limit.against) if key
    ]
    assert {kind_of(key) for key in wanted} <= kinds
    sizes = {int(size) for key in wanted if (size := key.rpartition("/")[2]).isdecimal()}
    assert sizes <= {FULL.usual_size, *FULL.store_sizes}


def kind_of(key: str) -> str:
    """Return a figure's key without the size of the store."""
    return key.rstrip("0123456789")


@pytest.mark.clear
def test_random_lookups_never_meet_a_token_twice_before_all_were_met(tmp_path: Path) -> None:
    """A token is read again only by a reader that was opened anew, at every size."""
    databases.fill_ours(tmp_path / "tokens.db", 30)
    asked: list[list[str]] = []
    with RandomLookups("store", tmp_path / "tokens.db", databases.ids(30), size=20) as lookups:
        lookups()
        real = lookups._read
        lookups._read = lambda ids: asked.append(list(ids)) or real(ids)  # type: ignore[func-returns-value]
        lookups()
    assert len(asked[0]) == 10
    assert set(asked[0]) == set(databases.ids(30)[20:])


@pytest.mark.clear
def test_filled_databases_hold_whole_tokens(tmp_path: Path) -> None:
    """What the look-ups read is there: every id, with its secrets, in both kinds of database."""
    databases.fill_ours(tmp_path / "ours.db", 20)
    databases.fill_published(tmp_path / "published.db", 20)
    backend = SQLiteBackend(tmp_path / "ours.db")
    connection = databases.bare(tmp_path / "published.db")
    try:
        for row_id in databases.ids(20):
            row = backend.load(row_id)
            published = connection.execute(databases.BARE_SELECT, (row_id,)).fetchone()
            assert row is not None
            assert row.refresh_token is not None
            assert published[0] == row_id
            assert published[1] == row.user_name
    finally:
        connection.close()
        backend.close()


def test_a_missed_limit_is_the_exit_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command fails if a limit is missed, succeeds if it is kept, and writes both down."""
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\n{report.END}\nafter\n", encoding="utf-8")
    monkeypatch.setattr(report, "PAGE", page)
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    for seconds, status, verdict in ((0.06, 0, "| yes |"), (0.061, 1, "| **no** |")):
        figures = [figure("import/nothing", 0.0), figure("import/package", seconds)]
        monkeypatch.setitem(command.BENCHMARKS, "imports", lambda *_, figures=figures: figures)
        assert command.main(["--only", "imports"]) == status
        assert verdict in page.read_text(encoding="utf-8")
        assert report.read("imports", tmp_path)["figures"][1]["median"] == seconds
    assert page.read_text(encoding="utf-8").startswith("before\n")
    assert page.read_text(encoding="utf-8").endswith("after\n")


def test_quick_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trying the benchmarks leaves the results as they are."""
    monkeypatch.setattr(report, "write", None)
    monkeypatch.setattr(report, "put_into", None)
    monkeypatch.setitem(command.BENCHMARKS, "imports", lambda *_: [figure("import/nothing", 1.0)])
    assert command.main(["--quick", "--only", "imports"]) == 0


def test_the_machine_is_described_without_names_or_paths() -> None:
    """Results can be published: no host, no user, no folder."""
    description = json.dumps(machine())
    assert Path.home().name not in description
    assert "/" not in description.replace("zohocrmsdk8-0", "")


def test_the_docs_show_what_was_measured() -> None:
    """The tables of the page are those of the JSON files."""
    page = report.PAGE.read_text(encoding="utf-8")
    shown = page.partition(report.BEGIN)[2].partition(report.END)[0].strip()
    assert shown == report.tables(report.RESULTS)


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_the_recorded_results_keep_the_limits(name: str) -> None:
    """The results in the repository keep every limit."""
    assert missed(name, report.figures_of(report.read(name, report.RESULTS))) == []
