"""Steps with checks: what is done, what was expected of it, and whether it came true."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.text import Text

_SECRET = re.compile(r"(1000\.)?[0-9a-f]{32,}(\.[0-9a-f]{32,})?")


@dataclass
class Checks:
    """Prints every check of the current step, and remembers whether one failed."""

    console: Console
    passed: int = field(default=0, init=False)
    failed: int = field(default=0, init=False)

    def equal(self, what: str, actual: object, expected: object) -> None:
        """Check that something is as expected; neither value may be a secret."""
        if actual == expected:
            self._tell("✓", "green", f"{what}: {actual}" if type(actual) in (int, str) else what)
            self.passed += 1
        else:
            self.fail(f"{what}: expected {expected!r}, found {actual!r}")

    def true(self, what: str, fact: bool) -> None:
        """Check a fact."""
        self.equal(what, fact, True)

    def fail(self, what: str) -> None:
        """Note a failure; whatever looks like a token in its text is left out."""
        self._tell("✗", "bold red", _SECRET.sub("<secret>", what))
        self.failed += 1

    def _tell(self, mark: str, style: str, what: str) -> None:
        self.console.print(Text(f"   {mark} ", style), Text(what), sep="")


Step = Callable[[Checks], None]
"""One step: it does something and checks the outcome. Its first docstring line is its title."""


def run(steps: Sequence[Step], console: Console) -> bool:
    """Run the steps in order, up to the first that fails; return whether all checks passed."""
    checks = Checks(console)
    for number, step in enumerate(steps, 1):
        title, _, _ = (step.__doc__ or "").partition("\n")
        console.print(Text(f"{number}. {title}", "bold"))
        _run(step, checks)
        if checks.failed:
            console.print(Text(f"\nStep {number} failed; the demo stops here.", "bold red"))
            return False
    console.print(Text(f"\nAll {checks.passed} checks of {len(steps)} steps passed.", "bold green"))
    return True


def _run(step: Step, checks: Checks) -> None:
    before = checks.passed + checks.failed
    try:
        step(checks)
    except Exception as error:  # noqa: BLE001  # whatever it is, the step has failed
        checks.fail(f"expected no error, found {type(error).__name__}: {error}")
    if checks.passed + checks.failed == before:
        checks.fail("expected checks, found none")
