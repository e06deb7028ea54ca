"""What the tests of the SQLite store share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from tests.support.folders import quick_folder
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.repository import TokenRepository

__all__ = ["FIXTURE", "Open", "legacy", "open_tokens", "quick_folder"]

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "legacy" / "zohooauth.db"


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test with a published database has clear secrets before it."""
    for item in items:
        if "legacy" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.clear)


class Open(Protocol):
    def __call__(self, path: Path, *, timeout: float = 10.0) -> TokenRepository: ...


@pytest.fixture
def open_tokens() -> Iterator[Open]:
    """Opens token databases, and closes them after the test."""
    with ExitStack() as stack:

        def open_(path: Path, *, timeout: float = 10.0) -> TokenRepository:
            return stack.enter_context(TokenRepository(SQLiteBackend(path, timeout=timeout)))

        yield open_


@pytest.fixture
def legacy(tmp_path: Path) -> Path:
    """A copy of the database that the published sample has written."""
    path = tmp_path / "zohooauth.db"
    shutil.copyfile(FIXTURE, path)
    return path
