"""Which scopes are requested, and which are missing from what was granted."""

from __future__ import annotations

import pytest

from zoho_tokenstore.login import CRM_FULL, CRM_READ, CRM_WRITE, IDENTITY
from zoho_tokenstore.login._scopes import missing_from, with_identity


@pytest.mark.parametrize(
    ("granted", "requested", "missing"),
    [
        (CRM_READ, CRM_READ, ()),
        (CRM_READ, CRM_WRITE, ("ZohoCRM.modules.ALL",)),
        (CRM_FULL, CRM_READ, ()),
        (("zohocrm.USERS.read",), ("ZohoCRM.users.READ",), ()),
        (("ZohoCRM.modules.READ",), ("ZohoCRM.modules.ALL",), ("ZohoCRM.modules.ALL",)),
        (("ZohoCRM.modules.ALL",), ("ZohoCRM.modules.CREATE", "ZohoCRM.org.READ"), ("ZohoCRM.org.READ",)),
        ((), ("ZohoBooks.fullaccess.all",), ("ZohoBooks.fullaccess.all",)),
    ],
)
def test_what_is_missing(
    granted: tuple[str, ...], requested: tuple[str, ...], missing: tuple[str, ...]
) -> None:
    """A whole module covers its operations, not the other way round; case does not count."""
    assert missing_from(granted, requested) == missing


def test_the_name_can_always_be_asked_for() -> None:
    """Its scopes come first, and each scope once."""
    assert with_identity(["ZohoCRM.org.READ", "X.y.ALL", "X.y.ALL"]) == (*IDENTITY, "X.y.ALL")
    assert all(with_identity(preset) == preset for preset in (CRM_READ, CRM_WRITE, CRM_FULL))
