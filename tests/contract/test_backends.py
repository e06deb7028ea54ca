"""The contract of a backend, over those that need no server.

The others pass it in the folders of their own (tests/csv, tests/sql, tests/redis, tests/aws), beside
what they cannot hold to.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.stores import CASES, Case
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.testing import BackendContract

HERE = {name: case for name, case in CASES.items() if name in ("sqlite", "memory", "list")}


@pytest.mark.parametrize("case", HERE.values(), ids=HERE)
class TestBackends(BackendContract):
    @pytest.fixture(autouse=True)
    def _choose(self, case: Case) -> None:
        self.case = case

    def make_backend(self, folder: Path) -> Backend:
        return self.case.make_backend(folder)

    def reopen(self, backend: Backend, folder: Path) -> Backend:
        return self.case.reopen_backend(backend, folder)
