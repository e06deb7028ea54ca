"""The contract over the store for SDK 2.0 and 2.1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.contract.few_texts import FewTexts
from tests.families.crm2_view import CRM2View
from zoho_tokenstore.sdk.crm2 import open_store


class TestCRM2(FewTexts):
    """All clauses. Stores do not depend on the SDK, so one kind is enough.

    A look-up returns another token than the one that was passed, on purpose: the view fills that one in.
    """

    def make_store(self, folder: Path) -> Any:
        return CRM2View(open_store(f"sqlite:///{folder}/tokens.db"))

    def reopen(self, store: Any, folder: Path) -> Any:
        return self.make_store(folder)
