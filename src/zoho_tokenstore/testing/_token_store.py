"""The contract of a `TokenStore` of Zoho's CRM SDK."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from zoho_tokenstore.testing._catalogue import clause_of
from zoho_tokenstore.testing._damage import DamageClauses
from zoho_tokenstore.testing._deleting import DeletingClauses
from zoho_tokenstore.testing._end_to_end import EndToEndClauses
from zoho_tokenstore.testing._finding import FindingClauses
from zoho_tokenstore.testing._hostility import HostilityClauses
from zoho_tokenstore.testing._killing import KillClauses
from zoho_tokenstore.testing._processes import ProcessClauses
from zoho_tokenstore.testing._remote_store import RemoteStore
from zoho_tokenstore.testing._saving import SavingClauses
from zoho_tokenstore.testing._secrecy import SecrecyClauses
from zoho_tokenstore.testing._sharing import SharingClauses


class TokenStoreContract(
    FindingClauses,
    SavingClauses,
    DeletingClauses,
    HostilityClauses,
    SharingClauses,
    ProcessClauses,
    KillClauses,
    SecrecyClauses,
    DamageClauses,
    EndToEndClauses,
):
    """The tests that prove a token store, anyone's.

    Subclass it as ``Test…`` in a file that pytest collects, and define

    - ``make_store(self, folder)``: return a store without tokens. `folder` is an empty folder of
      this test; a store on a server empties its own place there instead.
    - ``reopen(self, store, folder)``: return a second handle on the same tokens, as another process
      would open it, without `store` there;
    - ``abilities``: what the store is able to do, if not what is `ORDINARY`.

    A store that has a ``close()`` is closed after each test. Only the six methods of the SDK's
    `TokenStore` are called besides. The clauses named ``sdk-…`` call them by the unmodified SDK, against
    a local Zoho in the same process. Of a `RemoteStore`, the clauses that it leaves out are skipped.
    """

    clause: str = ""
    """The clause that is running."""

    @pytest.fixture(autouse=True)
    def _running(self, request: pytest.FixtureRequest) -> None:
        self.clause = clause_of(request.function.__name__)

    def new_store(self, folder: Path) -> Any:
        store = super().new_store(folder)
        reason = store.why_left_out(self.clause) if isinstance(store, RemoteStore) else None
        if reason is not None:
            store.close()
            pytest.skip(reason)
        return store
