"""Stores that are wrong in one way each: a contract that none of them fails would prove nothing.

Most of the defects were found in published stores (docs/reference/published-defects.md).
"""

from tests.contract.broken import deleting, disk, finding, hostility, programs, saving, sharing
from tests.contract.broken.base import CAUGHT_BY, Broken, OnDisk, Sealing

__all__ = [
    "CAUGHT_BY",
    "Broken",
    "OnDisk",
    "Sealing",
    "deleting",
    "disk",
    "finding",
    "hostility",
    "programs",
    "saving",
    "sharing",
]
