"""The lines of a clause that failed, made a script that anyone can run."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
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

    `parameters` are the case, as Python expressions by name; `lines` are those of the function after its
    docstring, up to the one that failed.
    """
    body = textwrap.dedent("\n".join(lines)).strip("\n").splitlines()
    if body and body[-1].endswith(":"):  # its block was left without an exception
        body.append("    ...")
    names = set(re.findall(r"\b[A-Za-z_]\w*\b", "\n".join(body))) - {*test.__code__.co_varnames}
    fixtures = inspect.signature(test).parameters.keys() - parameters.keys()
    case = [f"{name} = {value}" for name, value in parameters.items()]
    steps_of_it = (*_subject(given, fixtures), *case, *body[:_MOST_LINES])
    if "tmp_path" in fixtures:  # other processes may open the store there, and import the script
        steps_of_it = ('if __name__ == "__main__":', *(f"    {line}" for line in steps_of_it))
    return (*_imports(test, names), *steps_of_it)


def _imports(test: Any, names: set[str]) -> Iterator[str]:
    public = names & {*steps.__all__}
    typing = names & {"Any"}
    own = names & {*test.__globals__} - public - typing
    for module, imported in (("typing", typing), (steps.__name__, public), (test.__module__, own)):
        if imported:
            yield f"from {module} import {', '.join(sorted(imported))}"


def _subject(given: Given, fixtures: AbstractSet[str]) -> Iterator[str]:
    yield "from pathlib import Path; from tempfile import mkdtemp"
    yield "from zoho_tokenstore.testing._given import contract_over"
    how = ", is_driver=True" if given.is_driver else ""
    yield f"self, tmp_path = contract_over({given.name!r}{how}), Path(mkdtemp())"
    if fixtures & {"store", "other", "program"}:
        yield "store = self.new_store(tmp_path)"
    if "other" in fixtures:
        yield "other = self.reopen(store, tmp_path)"
    if "program" in fixtures:
        yield "from zoho_tokenstore.testing._program import Program"
        yield "program = Program(store, lambda: self.reopen(store, tmp_path), Path(mkdtemp()))"
