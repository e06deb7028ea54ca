"""What all tests share: which are about clear stores, and on which stores and servers a run was made.

No test reaches a host that is not this one: a store renews by itself, so a token that has expired would.
"""

from __future__ import annotations

import gc
import signal
from collections.abc import Generator
from typing import Any, Final

import pytest

from tests.support import network, servers
from tests.support.chosen import VARIABLE as STORES
from tests.support.chosen import chosen
from tests.support.sample import sampled, words_of
from zoho_tokenstore.sealing._sources import VARIABLE

_used: Final[dict[str, set[str]]] = {}
_KEY: Final = "servers_used"

network.stay_here()
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it, and so would children


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Take the keys away from a test that is marked `clear`, and from its fixtures of any scope."""
    with pytest.MonkeyPatch.context() as patch:
        if item.get_closest_marker("clear") is not None:
            patch.delenv(VARIABLE, raising=False)
        return (yield)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--sample", type=int, default=0, metavar="N", help="at most N cases of a test, per store"
    )


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark tests of sealed stores that have keys of their own: one run of them is enough."""
    sealing = item.nodeid.startswith("tests/sealing/")
    stores = item.nodeid.startswith("tests/contract/") and "sealed" in words_of(item)
    if (sealing or stores) and item.get_closest_marker("clear") is None:
        item.add_marker("sealed")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not sampled, and the tests of stores that are not chosen: they have no parameters."""
    stay = [item for item in items if not _has_no_parameters(item)] if chosen() else items
    if not config.option.lf:  # what failed has been chosen before
        stay = sampled(stay, config.option.sample)
    staying = set(stay)
    config.hook.pytest_deselected(items=[item for item in items if item not in staying])
    items[:] = stay


def pytest_collection_finish() -> None:
    """Let no collection of garbage go through thousands of tests again and again."""
    gc.collect()
    gc.freeze()


def _has_no_parameters(item: pytest.Item) -> bool:
    reasons = [str(mark.kwargs.get("reason", "")) for mark in item.iter_markers("skip")]
    return any(reason.startswith("got empty parameter set") for reason in reasons)


def pytest_sessionfinish(session: pytest.Session) -> None:
    output = getattr(session.config, "workeroutput", None)  # in a worker of pytest-xdist
    if output is None:
        _note(servers.used)
    else:
        output[_KEY] = dict(servers.used)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    _note(getattr(node, "workeroutput", {}).get(_KEY, {}))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if terminalreporter.config.option.sample:
        terminalreporter.section("sample")
        terminalreporter.write_line(
            f"At most {terminalreporter.config.option.sample} cases of each test were run for each store; "
            "make test-all runs them all."
        )
    if chosen():
        terminalreporter.section("stores")
        terminalreporter.write_line(f"No others than {', '.join(chosen())} were tested: {STORES} says so.")
    if _used:
        terminalreporter.section("servers")
    for kind, found in sorted(_used.items()):
        terminalreporter.write_line(f"{kind}: {'; '.join(sorted(found))}")


def _note(used: dict[str, str]) -> None:
    for kind, found in used.items():
        _used.setdefault(kind, set()).add(found)
