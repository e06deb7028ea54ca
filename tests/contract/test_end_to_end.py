"""The clauses that drive the unmodified SDK are fair: what fails them harms its users."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.broken.programs import LeavesRenewalsToEachProcess
from tests.contract.test_teeth import is_caught
from zoho_tokenstore.testing import TokenStoreContract, clauses

BY_THE_SDK = [clause for clause in clauses(TokenStoreContract) if clause.startswith("sdk-")]


@pytest.mark.parametrize("clause", BY_THE_SDK)
def test_a_store_that_coordinates_nothing(clause: str, tmp_path: Path) -> None:
    """A store that only keeps tokens, and leaves renewals to the SDK, fails nothing but Zoho's limit."""
    assert is_caught(LeavesRenewalsToEachProcess, clause, tmp_path) is clause.endswith("-within-zohos-limit")
