"""A key service that counts, and a clock that stands still; what its tests share."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sealing.support import OLD
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.sealing import SealingKey
from zoho_tokenstore.sealing import _sources as sources


class Time:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.current = 1000.0

    def monotonic(self) -> float:
        return self.current

    def pass_(self, seconds: float) -> None:
        self.current += seconds


class Service:
    """A key service: it counts how often it is asked, and fails on demand."""

    def __init__(self, *keys: SealingKey) -> None:
        self.keys: Any = list(keys)
        self.asked = 0
        self.failure: Exception | None = None

    def __call__(self) -> Any:
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        return self.keys


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(sources, "time", time)
    return time


@pytest.fixture
def service(time: Time) -> Service:
    return Service(OLD)


@pytest.fixture
def backend() -> ListBackend:
    return ListBackend()
