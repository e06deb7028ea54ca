"""Which stores the shared tests run over (tests/contract/stores.py)."""

from __future__ import annotations

import os
from typing import Final

VARIABLE: Final = "ZOHO_TEST_STORES"


def chosen() -> list[str]:
    """Return the names of the stores that the environment chooses; without any, all are meant."""
    return os.environ.get(VARIABLE, "").split()
