"""The contract of a backend, over every backend of this package."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.stores import CASES, Case
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.testing import BackendContract


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
class TestBackends(BackendContract):
    @pytest.fixture(autouse=True)
    def _choose(self, case: Case) -> None:
        self.case = case

    def make_backend(self, folder: Path) -> Backend:
        return self.case.make_backend(folder)

    def reopen(self, backend: Backend, folder: Path) -> Backend:
        return self.case.reopen_backend(backend, folder)
