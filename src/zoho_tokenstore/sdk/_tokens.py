"""The tokens of the CRM SDK 5 to 8, and where it works."""

from __future__ import annotations

from typing import Any, Final

from zoho_tokenstore.renewal._steps import Origin
from zoho_tokenstore.sdk._failures import TWINS
from zoho_tokenstore.sdk._family import Family
from zoho_tokenstore.sdk._zoho import (
    ACCEPTS_MISSING_ID,
    CRM_VERSION,
    Initializer,
    OAuthToken,
    UserSignature,
    may_move,
    place_of,
)

_FIND_USER: Final = "_OAuthToken__find_user"


class CRMFamily(Family):
    """The CRM SDK 5 to 8."""

    def origin(self, token: Any = None) -> Origin:
        """Return where the SDK would send its own requests for a token now, in this thread.

        In a block of `acting_as`, that is where it would outside: the block's user says nothing of others.

        It asks who a new login is if that token has no user and its `find_user`, which has no
        getter, is on; SDK 5 has none, and asks nobody.
        """
        initializer = Initializer.get_initializer()
        environment = None if initializer is None else place_of(initializer)
        asks = token is not None and token.get_user_signature() is None and getattr(token, _FIND_USER, False)
        return Origin(
            accounts_url=None if environment is None else environment.accounts_url,
            api_domain=None if environment is None else environment.url,
            crm_version=CRM_VERSION if asks is True else None,
            may_move=may_move(initializer),
        )


CRM: Final = CRMFamily(
    "zohocrmsdk",
    OAuthToken,
    UserSignature,
    OAuthToken.get_token,
    TWINS,
    accepts_missing_id=ACCEPTS_MISSING_ID,
)

record_of, put, new_token = CRM.record_of, CRM.put, CRM.new_token
