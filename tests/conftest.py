"""What all tests share: the end of the run tells which servers they ran on."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.support import servers

_used: Final[dict[str, set[str]]] = {}
_KEY: Final = "servers_used"


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
    if _used:
        terminalreporter.section("servers")
    for kind, found in sorted(_used.items()):
        terminalreporter.write_line(f"{kind}: {'; '.join(sorted(found))}")


def _note(used: dict[str, str]) -> None:
    for kind, found in used.items():
        _used.setdefault(kind, set()).add(found)
