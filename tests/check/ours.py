"""The ten stores of this package, to be checked by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.contract.stores import ALL


def __getattr__(name: str) -> Callable[..., Any]:
    if name not in ALL:
        raise AttributeError(f"no store is called {name}")
    case = ALL[name]

    def shared(folder: Path) -> Any:
        return case.make_store(folder)

    def of_one_process() -> Any:
        return case.make_store(Path())

    return shared if case.is_shared else of_one_process
