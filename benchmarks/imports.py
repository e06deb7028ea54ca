"""What `import zoho_tokenstore` adds to the start of a program."""

from __future__ import annotations

import functools
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from benchmarks.figures import Figure
from benchmarks.harness import interleave
from benchmarks.scale import Scale

_CASES: Final = {
    "import/nothing": ("an empty interpreter", "pass"),
    "import/package": ("`import zoho_tokenstore`", "import zoho_tokenstore"),
}


def measure(scale: Scale, folder: Path) -> list[Figure]:
    """Time whole processes, from the start to the end."""
    cases = {key: functools.partial(_run, code, folder) for key, (_, code) in _CASES.items()}
    timings = interleave(cases, rounds=scale.rounds, turns=scale.turns // 10)
    return [Figure(key, _CASES[key][0], timing) for key, timing in timings.items()]


def _run(code: str, folder: Path) -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, cwd=folder)
    return time.perf_counter() - begin
