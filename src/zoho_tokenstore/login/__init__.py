"""Login with Zoho: consent, the browser's session, and its end; docs/how-to/log-users-in.md.

::

    from zoho_tokenstore.login import CRM_READ, LoginFlow

    flow = LoginFlow(store.tokens, client, "https://portal.example/callback", scopes=CRM_READ)
    started = flow.start(session.get("zoho_begun"), next="/courses")
    # send the browser to started.url; in its callback:
    done = flow.finish(request.args, session.get("zoho_begun"))
    flow.identify(done.session)
"""

from __future__ import annotations

from zoho_tokenstore.login._acting import acts_as
from zoho_tokenstore.login._browser_sessions import BrowserSession, BrowserSessions
from zoho_tokenstore.login._failures import LoginFailedError, LoginFailure
from zoho_tokenstore.login._flow import LoginFlow
from zoho_tokenstore.login._results import LoggedIn, Started
from zoho_tokenstore.login._scopes import BOOKS, CRM_FULL, CRM_READ, CRM_WRITE, DESK, FILES, IDENTITY

__all__ = [
    "BOOKS",
    "CRM_FULL",
    "CRM_READ",
    "CRM_WRITE",
    "DESK",
    "FILES",
    "IDENTITY",
    "BrowserSession",
    "BrowserSessions",
    "LoggedIn",
    "LoginFailedError",
    "LoginFailure",
    "LoginFlow",
    "Started",
    "acts_as",
]
