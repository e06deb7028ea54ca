"""Jobs over all logins of a store: clean-up, and central revocation.

::

    from zoho_tokenstore import open_tokens
    from zoho_tokenstore.lifecycle import LoginFilter, clean_up, revoke

    with open_tokens(sessions=SessionPolicy(idle=timedelta(days=30))) as tokens:
        print(clean_up(tokens))
        print(revoke(tokens, LoginFilter(user_name="patricia@zylker.example:60001")))
"""

from __future__ import annotations

from zoho_tokenstore.lifecycle._cleaning import CleanUpReport, clean_up
from zoho_tokenstore.lifecycle._ending import Revoked
from zoho_tokenstore.lifecycle._filters import LoginFilter
from zoho_tokenstore.lifecycle._revoking import RevocationReport, revoke

__all__ = ["CleanUpReport", "LoginFilter", "RevocationReport", "Revoked", "clean_up", "revoke"]
