"""The ten stores of this package, to be checked by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.contract.stores import ALL
from zoho_tokenstore import open_store


def __getattr__(name: str) -> Callable[..., Any]:
    if name not in ALL:
        raise AttributeError(f"no store is called {name}")
    case = ALL[name]

    def in_folder(folder: Path) -> Any:
        return case.make_store(folder)

    def on_server(folder: Path) -> Any:
        """Return the store of a folder, which a file there leads other processes to."""
        place = folder / "url"
        if place.exists():
            return open_store(place.read_text(encoding="utf-8"))
        place.write_text(case.url(folder), encoding="utf-8")
        return case.make_store(folder)

    def of_one_process() -> Any:
        return case.make_store(Path())

    if not case.is_shared:
        return of_one_process
    return in_folder if case.has_files else on_server
