"""The contract of a token store, over every store of this package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.contract.stores import CASES, Case
from zoho_tokenstore.testing import TokenStoreContract


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
class TestStores(TokenStoreContract):
    @pytest.fixture(autouse=True)
    def _choose(self, case: Case) -> None:
        self.case = case

    def make_store(self, folder: Path) -> Any:
        return self.case.make_store(folder)

    def reopen(self, store: Any, folder: Path) -> Any:
        return self.case.reopen_store(store, folder)
