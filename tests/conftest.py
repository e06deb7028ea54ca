"""What all tests share: which are about clear stores, and on which stores and servers a run was made.

No test reaches a host that is not this one: a store renews by itself, so a token that has expired would.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final

import pytest

from tests.support import network, servers
from tests.support.chosen import VARIABLE as STORES
from tests.support.chosen import chosen
from zoho_tokenstore.crypto.sources import VARIABLE

_used: Final[dict[str, set[str]]] = {}
_KEY: Final = "servers_used"

network.stay_here()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Take the keys away from a test that is marked `clear`, and from its fixtures of any scope."""
    with pytest.MonkeyPatch.context() as patch:
        if item.get_closest_marker("clear") is not None:
            patch.delenv(VARIABLE, raising=False)
        return (yield)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests of stores that are not chosen: those have no parameters."""
    if chosen():
        left_out = [item for item in items if _has_no_parameters(item)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not _has_no_parameters(item)]


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
