"""The contract of a `TokenStore` of Zoho's CRM SDK."""

from __future__ import annotations

from zoho_tokenstore.testing.deleting import DeletingClauses
from zoho_tokenstore.testing.finding import FindingClauses
from zoho_tokenstore.testing.hostility import HostilityClauses
from zoho_tokenstore.testing.saving import SavingClauses
from zoho_tokenstore.testing.sharing import SharingClauses


class TokenStoreContract(FindingClauses, SavingClauses, DeletingClauses, HostilityClauses, SharingClauses):
    """The tests that prove a token store, anyone's.

    Subclass it as ``Test…`` in a file that pytest collects, and define

    - ``make_store(self, folder)``: return a store without tokens. `folder` is an empty folder of
      this test; a store on a server empties its own place there instead.
    - ``reopen(self, store, folder)``: return a second handle on the same tokens, as another process
      would open it; or set ``can_reopen = False`` if there can be none.

    A store that has a ``close()`` is closed after each test. Only the six methods of the SDK's
    `TokenStore` are called besides.
    """
