"""Rows and times for the clauses about a backend, and what of them is compared."""

from __future__ import annotations

from collections.abc import Iterable
from time import time_ns
from typing import Any, Final

import pytest

from zoho_tokenstore.records import COLUMNS, Found, Row

SKEW_MS: Final = 600_000
"""How far the clock of a storage's server may be from ours, in milliseconds."""


def now_ms() -> int:
    """Return the wall-clock time in milliseconds since the epoch."""
    return time_ns() // 1_000_000


def full_row(row_id: str = "1", mark: str = "a") -> Row:
    """Return a row with a string in every column."""
    columns: dict[str, Any] = {name: f"{name}-{mark}" for name in COLUMNS[1:]}
    return Row(
        id=row_id, **columns, created_at_ms=1, updated_at_ms=2**53, last_used_at_ms=3, identified_at_ms=4
    )


def content(row: Found | None) -> Row | None:
    """Return the row without the backend's own mark, with plain digests."""
    if row is None:
        return None
    assert isinstance(row, Row)
    return row._replace(etag=None, digests=dict(row.digests))


def rows(found: Iterable[Found]) -> list[Row]:
    """Return what was found, all of which must be rows."""
    return [row for row in found if isinstance(row, Row) or pytest.fail(f"{row.id!r} is unreadable")]


def skip_unless(backend: Any, ability: type) -> None:
    """Skip the running clause if a backend doesn't declare what the clause is about."""
    if not isinstance(backend, ability):
        pytest.skip(f"this backend declares no {ability.__name__}, which is optional")
