"""The lines of a clause that failed, made a script that anyone can run."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from zoho_tokenstore.testing import steps

_MOST_LINES: Final = 40


class Given(NamedTuple):
    """What makes the store under test.

    Arguments:
        name: ``package.module:factory``, or the command of a driver.
        is_driver: which of the two.
    """

    name: str
    is_driver: bool

    @property
    def option(self) -> str:
        """The option of pytest that says so."""
        return f"--zoho-token-store{'-driver' if self.is_driver else ''}={self.name}"


def script(given: Given, test: Any, parameters: dict[str, str], lines: Sequence[str]) -> tuple[str, ...]:
    """Return a script that does what a clause did up to the line that failed.

    Arguments:
        given: what makes the store.
        test: the function of the clause.
        parameters: the case, as Python expressions by name.
        lines: the lines of the function after its docstring, up to the one that failed.
    """
    body = textwrap.dedent("\n".join(lines)).strip("\n").splitlines()
    if body and body[-1].endswith(":"):  # its block was left without an exception
        body.append("    ...")
    used = set(re.findall(r"\b[A-Za-z_]\w*\b", "\n".join(body)))
    return (*_imports(test, used), *_subject(given, used), *_case(parameters), *body[:_MOST_LINES])


def _imports(test: Any, used: set[str]) -> Iterator[str]:
    public = sorted(used & {*steps.__all__})
    own = sorted(used & {*test.__globals__} - {*public, "Any"})
    for module, names in ((steps.__name__, public), (test.__module__, own)):
        if names:
            yield f"from {module} import {', '.join(names)}"


def _subject(given: Given, used: set[str]) -> Iterator[str]:
    yield "from pathlib import Path; from tempfile import mkdtemp"
    yield "from zoho_tokenstore.testing._given import contract_over"
    how = ", is_driver=True" if given.is_driver else ""
    yield f"self, tmp_path = contract_over({given.name!r}{how}), Path(mkdtemp())"
    if used & {"store", "other"}:
        yield "store = self.make_store(tmp_path)"
    if "other" in used:
        yield "other = self.reopen(store, tmp_path)"


def _case(parameters: dict[str, str]) -> Iterator[str]:
    for name, value in parameters.items():
        yield f"{name} = {value}"
