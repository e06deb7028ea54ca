"""A backend in a package of its own, a file of at most 120 lines, passes all three contracts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.contract.few_texts import FewTexts
from tests.third_party.conftest import PACKAGE
from zoho_tokenstore import open_store
from zoho_tokenstore.backend import Backend, Leases, SupportsLeases
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


def test_it_is_small() -> None:
    """So many lines a backend takes, with leases and retired ids; blank ones do not count."""
    lines = (PACKAGE / "json_file.py").read_text("utf-8").splitlines()
    assert len(list(filter(str.strip, lines))) <= 120
