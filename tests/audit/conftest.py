"""What the tests of the audit trail share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.audit import support
from tests.sql.conftest import own, own_kind, own_servers, place
from zoho_tokenstore import TokenRepository

__all__ = ["own", "own_kind", "own_servers", "place"]


@pytest.fixture(params=support.TRAILS)
def case(request: pytest.FixtureRequest) -> str:
    """The name of a store that keeps a trail."""
    name: str = request.param
    return name


@pytest.fixture
def repository(case: str, tmp_path: Path) -> Iterator[TokenRepository]:
    """An empty store with a new trail."""
    with support.opened(case, tmp_path) as repository:
        yield repository
