"""The page about the SDK names the tests that prove it: they exist."""

from __future__ import annotations

import re

from tests.sdk.portal import ROOT

_PAGE = ROOT / "docs" / "explanation" / "sdk-behaviour.md"


def test_every_proof_exists() -> None:
    """Each test that docs/explanation/sdk-behaviour.md names is a test of this folder or of `families`."""
    named = set(re.findall(r"`(test_\w+)`", _PAGE.read_text("utf-8")))
    files = [path for folder in ("sdk", "families") for path in (ROOT / "tests" / folder).glob("test_*.py")]
    sources = [path.read_text("utf-8") for path in files]
    known = {name for text in sources for name in re.findall(r"^def (test_\w+)\(", text, re.MULTILINE)}
    assert len(named) > 40
    assert named <= known
