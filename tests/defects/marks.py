"""How a test says which defect it is about."""

from __future__ import annotations

from typing import Final, NamedTuple

import pytest

ALL: Final = ("SQLite", "memory", "list")
FILE: Final = ("SQLite",)


Failure = type[BaseException] | tuple[type[BaseException], ...]


class Defect(NamedTuple):
    """A number of docs/reference/published-defects.md, and the stores of ours it could befall.

    `file_store` is what the test ends with on the SDK's own `FileStore`, where that store has the
    defect (one of several, where processes race); its run is part of the suite, and proves that
    the test can fail.
    """

    number: str
    stores: tuple[str, ...]
    file_store: Failure | None = None


def defect(
    number: str, stores: tuple[str, ...], *, file_store: Failure | None = None
) -> pytest.MarkDecorator:
    return pytest.mark.defect(Defect(number, stores, file_store))
