"""The stores that the SDK is driven with here: in a file, in the process, on a server.

The adapter is the same over all of them, and the contract drives the SDK with every store.
"""

from __future__ import annotations

from typing import Final

from tests.contract import stores

CASES: Final = {name: case for name, case in stores.CASES.items() if name in ("sqlite", "list", "postgresql")}
