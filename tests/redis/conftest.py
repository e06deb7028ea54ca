"""What the tests of the Redis store share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from tests.redis.support import make, shared
from tests.support.servers.redis import LocalRedis, start_local
from tests.unit.renewal.support import FakeClock
from zoho_tokenstore.backends.redis import RedisBackend
from zoho_tokenstore.backends.redis import _checks as checks

Open = Callable[..., RedisBackend]


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[RedisBackend]:
    """A store without rows, on the shared server."""
    with closing(make(tmp_path)) as backend:
        yield backend


@pytest.fixture
def driver() -> Iterator[Any]:
    """The driver itself, on the shared server."""
    with shared().driver() as driver:
        yield driver


@pytest.fixture
def open_store() -> Iterator[Open]:
    """Opens stores, and closes them after the test."""
    with ExitStack() as stack:

        def open_(url: str, **options: Any) -> RedisBackend:
            return stack.enter_context(closing(RedisBackend(url, **options)))

        yield open_


@pytest.fixture
def local() -> Iterator[LocalRedis]:
    """A server of this test's own."""
    shared()  # skips, or fails in CI, where there is no server at all
    with start_local() as server:
        yield server


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still."""
    return FakeClock()


@pytest.fixture(autouse=True)
def _warn_anew() -> None:
    checks._warned.clear()
