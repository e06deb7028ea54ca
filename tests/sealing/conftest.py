from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import tests.property.conftest  # noqa: F401  # its profiles: as many examples as the property tests have
from tests.sealing.support import KINDS, OLD, USERS, make_backend, repository
from zoho_tokenstore.backend import Backend


@pytest.fixture(params=KINDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """Each backend that needs no server, empty."""
    backend = make_backend(request.param, tmp_path)
    yield backend
    backend.close()


@pytest.fixture
def ids(backend: Backend) -> list[str]:
    """Seals Alice and Bob under the old key; their ids."""
    return [repository(backend, OLD).save(user).id or "" for user in USERS]


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a store that is given no keys be a clear one, also where the environment has keys."""
    monkeypatch.delenv("ZOHO_TOKENSTORE_KEYS", raising=False)
