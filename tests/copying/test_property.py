"""Any small store, copied into any other one of any kind under any policy, leaves what the model says."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.copying import model
from tests.copying.support import KINDS, make_backend, put, rows_of, side
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.copying import OnConflict
from zoho_tokenstore.copying._passes import copy_rows
from zoho_tokenstore.records import ROW_FIELDS, Row
from zoho_tokenstore.sealing import Keyset

POOLS: Final[dict[str, list[Any]]] = {
    "user_name": ["alice", "alice", "bob", None],
    "client_id": ["portal", "portal", "library", None],
    "client_secret": ["portal-secret", None],
    "refresh_token": ["refresh-1", "refresh-2", None],
    "access_token": ["access-1", "access-2", None],
    "grant_token": ["grant-1", None, None],
    "api_domain": ["https://www.zohoapis.eu", "https://www.zohoapis.com", None],
    "updated_at_ms": [1, 2, 3, None],
}
IDS: Final = ("1", "2", "3", "30", "4")
KEYS: Final = (None, Keyset.generate(), Keyset.generate())

ROWS: Final = st.fixed_dictionaries({name: st.sampled_from(pool) for name, pool in POOLS.items()})
STORES: Final = st.dictionaries(st.sampled_from(IDS), ROWS, max_size=4).map(
    lambda rows: [Row(row_id, **columns) for row_id, columns in sorted(rows.items())]
)


@pytest.mark.clear
@given(
    ours=STORES,
    theirs=STORES,
    policy=st.sampled_from(OnConflict),
    kinds=st.tuples(st.sampled_from(KINDS), st.sampled_from(KINDS)),
    keys=st.tuples(st.sampled_from(KEYS), st.sampled_from(KEYS)),
)
def test_a_copy_leaves_what_the_model_says(
    ours: list[Row],
    theirs: list[Row],
    policy: OnConflict,
    kinds: tuple[str, str],
    keys: tuple[Keyset | None, Keyset | None],
) -> None:
    """The source stays as it is, a dry run has told what is done, and a second run finds nothing to do."""
    ours_plain, theirs_plain = _plain(ours), _plain(theirs)
    expected = model.copied(ours_plain, theirs_plain, policy)
    with ExitStack() as stack:
        source, destination = (_store(stack, kind) for kind in kinds)
        put(source, ours, keys[0])
        put(destination, theirs, keys[1])
        sides = side(source, keys[0]), side(destination, keys[1])

        told = copy_rows(*sides, on_conflict=policy, dry_run=True)
        assert rows_of(destination, keys[1]) == theirs
        done = copy_rows(*sides, on_conflict=policy)

        assert rows_of(source, keys[0]) == ours
        assert _plain(rows_of(destination, keys[1])) == expected
        assert (told.copied, told.overwritten) == model.planned(ours_plain, theirs_plain, policy)
        again = copy_rows(*sides, on_conflict=policy)
        assert (again.copied, again.overwritten) == (0, 0)
        assert again.is_complete == done.is_complete
        assert again.others == sum(row_id not in ours_plain for row_id in expected)


def _store(stack: ExitStack, kind: str) -> Backend:
    memory = Path("/dev/shm")
    folder = stack.enter_context(tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None))
    return stack.enter_context(closing(make_backend(kind, Path(folder))))


def _plain(rows: list[Row]) -> model.Store:
    stored: list[tuple[Any, ...]] = [row[: len(ROW_FIELDS)] for row in rows]
    return {
        values[0]: {name: value for name, value in zip(ROW_FIELDS, values, strict=True) if value is not None}
        for values in stored
    }
