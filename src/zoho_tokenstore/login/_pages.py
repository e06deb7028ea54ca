"""The page that a browser gets if a login fails, unless the application has its own."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import Final

from zoho_tokenstore.login._failures import LoginFailedError

_STYLE: Final = (
    "body{font:1.0625rem/1.6 system-ui,sans-serif;max-width:34rem;margin:4rem auto;padding:0 1.25rem;"
    "color:#1b1f24;background:#fff}a{display:inline-block;padding:.6rem 1.1rem;border-radius:.4rem;"
    "background:#0b57d0;color:#fff;text-decoration:none}a:focus-visible{outline:3px solid #0b57d0;"
    "outline-offset:3px}@media(prefers-color-scheme:dark){body{color:#e6e8eb;background:#16181c}}"
)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""For pages about a login: kept by no cache, shown in no frame; a callback's address, with its code, goes
nowhere."""

REDIRECT_HEADERS: Final = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
"""For redirects between the pages of a login, and for pages of an application's own."""

NOT_LOGGED_IN: Final = "Log in with Zoho."
CHALLENGE: Final = {"WWW-Authenticate": "Cookie"}
"""What a 401 must have, by RFC 9110, 15.5.2; browsers show no window for a scheme that they do not know."""

CROSS_SITE: Final = "This request comes from another site."

_STATUSES: Final = {"denied": 403, "wrong_user": 403, "missing_scopes": 403, "unavailable": 503}


def status_of(error: LoginFailedError) -> int:
    """Return the HTTP status for a login that failed."""
    return _STATUSES.get(error.kind, 400)


def failure_page(error: LoginFailedError, login_path: str) -> str:
    """Return a page that says what happened, with a link to begin again."""
    title = "Not logged in"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">'
        f"<style>{_STYLE}</style></head><body><main><h1>{title}</h1><p>{escape(error.sentence)}</p>"
        f'<p><a href="{escape(login_path)}">Log in with Zoho</a></p></main></body></html>'
    )
