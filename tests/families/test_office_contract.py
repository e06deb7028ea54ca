"""The contract over the store for Office Integrator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.contract.few_texts import FewTexts
from tests.families.office_view import OfficeView
from zoho_tokenstore.sdk.office_integrator import open_store


class TestOfficeIntegrator(FewTexts):
    """All clauses. Stores do not depend on the SDK, so one kind is enough."""

    def make_store(self, folder: Path) -> Any:
        return OfficeView(open_store(f"sqlite:///{folder}/tokens.db"))

    def reopen(self, store: Any, folder: Path) -> Any:
        return self.make_store(folder)
