"""A backend in a package of its own, a file of at most 120 lines, passes all three contracts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.contract.few_texts import FewTexts
from tests.third_party.conftest import PACKAGE
from zoho_tokenstore import open_store
from zoho_tokenstore.backend import Backend, Leases, SupportsLeases, SupportsWriteMany
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.errors import RetiredIdError, RowChangedError
from zoho_tokenstore.records import Row
from zoho_tokenstore.registry import open_backend
from zoho_tokenstore.testing import (
    ORDINARY,
    Ability,
    BackendContract,
    LeasesContract,
)


@pytest.mark.clear  # a backend cannot tell what is sealed
@pytest.mark.usefixtures("json_file")
class TestBackend(BackendContract):
    def make_backend(self, folder: Path) -> Backend:
        return open_backend(f"json-file:///{folder}/tokens")

    def reopen(self, backend: Backend, folder: Path) -> Backend:
        return self.make_backend(folder)


@pytest.mark.usefixtures("json_file")
class TestStore(FewTexts):
    abilities = ORDINARY - {Ability.FILES}  # one file of JSON: what damages it damages every row

    def make_store(self, folder: Path) -> Any:
        return open_store(f"json-file:///{folder}/tokens")

    def reopen(self, store: Any, folder: Path) -> Any:
        return self.make_store(folder)


@pytest.mark.clear
@pytest.mark.usefixtures("json_file")
class TestLeases(LeasesContract):
    def make_leases(self, folder: Path) -> Leases:
        backend = open_backend(f"json-file:///{folder}/tokens")
        assert isinstance(backend, SupportsLeases)
        return backend.leases

    def reopen(self, leases: Leases, folder: Path) -> Leases:
        return self.make_leases(folder)


class InItsOwnWay(ListBackend, SupportsWriteMany):
    """As right as ours where the protocol leaves it open: etags without a hash, tuples, other orders."""

    def __init__(self) -> None:
        super().__init__()
        self._etags: Any = ([number] for number in count())

    def find(self, index: str, *keys: str) -> Any:
        return tuple(row for key in dict.fromkeys(keys) for row in ListBackend.find(self, index, key)[::-1])

    def write_many(self, rows: Sequence[Row]) -> tuple[object, ...]:
        return tuple(map(self._written, rows))

    def _written(self, row: Row) -> object:
        try:
            return self.write(row, expect=None)
        except (RowChangedError, RetiredIdError):
            return None


class TestInItsOwnWay(BackendContract):
    abilities = frozenset()

    def make_backend(self, folder: Path) -> Backend:
        return InItsOwnWay()


class LooksFirst(ListBackend):
    """Deletes what is no longer the version that it was asked to delete."""

    def remove(self, row_id: str, *, expect: object = None) -> bool:
        row = self.load(row_id)
        time.sleep(0.001)  # as a server takes
        return row is not None and expect in (None, row.etag) and super().remove(row_id)


def test_a_removal_that_looks_first_is_caught() -> None:
    """It would end a login that has been used or made again in the meantime."""
    backend = LooksFirst()
    with pytest.raises(AssertionError):
        TestInItsOwnWay().test_a_removal_or_an_update_wins(backend)


def test_it_is_small() -> None:
    """So many lines a backend takes, with leases and retired ids; blank ones do not count."""
    lines = (PACKAGE / "json_file.py").read_text("utf-8").splitlines()
    assert len(list(filter(str.strip, lines))) <= 120
