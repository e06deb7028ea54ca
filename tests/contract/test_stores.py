"""The contract of a token store, over every store of this package, clear and sealed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.contract.stores import CASES, Case
from zoho_tokenstore import KeyRing
from zoho_tokenstore.testing import TokenStoreContract

CLEAR: dict[str, Any] = {}
SEALED: dict[str, Any] = {"keys": KeyRing.generate()}


@pytest.mark.parametrize(
    ("case", "options"),
    [
        pytest.param(case, options, id=f"{name}-{how}", marks=marks)
        for name, case in CASES.items()
        for how, options, marks in (("clear", CLEAR, [pytest.mark.clear]), ("sealed", SEALED, []))
    ],
)
class TestStores(TokenStoreContract):
    @pytest.fixture(autouse=True)
    def _choose(self, case: Case, options: dict[str, Any]) -> None:
        self.case, self.options = case, options

    def make_store(self, folder: Path) -> Any:
        return self.case.make_store(folder, **self.options)

    def reopen(self, store: Any, folder: Path) -> Any:
        return self.case.reopen_store(store, folder, **self.options)
