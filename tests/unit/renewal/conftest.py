from __future__ import annotations

import pytest

from tests.unit.renewal.support import Fleet


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()
