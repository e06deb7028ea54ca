"""What the tests of copying share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

import tests.property.conftest  # noqa: F401  # its profiles: as many examples as the property tests have
from tests.copying.support import make_backend
from tests.sqlite.conftest import quick_folder
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.sealing import Keyset

__all__ = ["quick_folder"]

Make = Callable[[str], Backend]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes stores by their kind, each in a folder of its own, and closes them after the test."""
    with ExitStack() as stack:
        made = 0

        def make_(kind: str) -> Backend:
            nonlocal made
            made += 1
            folder = tmp_path / f"store{made}"
            folder.mkdir()
            return stack.enter_context(closing(make_backend(kind, folder)))

        yield make_


@pytest.fixture
def source() -> Iterator[ListBackend]:
    """An empty store to copy from."""
    with closing(ListBackend()) as backend:
        yield backend


@pytest.fixture
def destination() -> Iterator[ListBackend]:
    """An empty store to copy to."""
    with closing(ListBackend()) as backend:
        yield backend


@pytest.fixture
def old() -> Keyset:
    """The keys of the source."""
    return Keyset.generate()


@pytest.fixture
def new() -> Keyset:
    """The keys of the destination."""
    return Keyset.generate()
