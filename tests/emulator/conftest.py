from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.emulator.support import Caller, FakeClock
from zoho_tokenstore.emulator import Emulator


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def zoho(clock: FakeClock) -> Iterator[Emulator]:
    with Emulator(clock=clock) as running:
        yield running


@pytest.fixture
def caller(zoho: Emulator) -> Iterator[Caller]:
    caller = Caller(zoho)
    with caller.http:
        yield caller
