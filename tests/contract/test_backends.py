"""The contract of a backend, over every backend of this package.

Those on AWS are in tests/aws/test_contract.py, which also proves that the rights on their pages are enough.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.contract.stores import CASES, Case
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.testing import BackendContract

ON_AWS: Final = {"dynamodb", "secretsmanager"}
HERE: Final = [pytest.param(case, id=name) for name, case in CASES.items() if name not in ON_AWS]


@pytest.mark.clear  # a backend cannot tell what is sealed
@pytest.mark.parametrize("case", HERE)
class TestBackends(BackendContract):
    @pytest.fixture(autouse=True)
    def _choose(self, case: Case) -> None:
        self.case = case

    def make_backend(self, folder: Path) -> Backend:
        return self.case.make_backend(folder)

    def reopen(self, backend: Backend, folder: Path) -> Backend:
        return self.case.reopen_backend(backend, folder)
