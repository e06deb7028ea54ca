"""The pages people see. Everything that came from outside is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from typing import Final
from urllib.parse import urlsplit

from zoho_tokenstore.emulator._model import User
from zoho_tokenstore.emulator._web.style import STYLE, STYLE_HASH
from zoho_tokenstore.emulator._web.wording import in_words

HEADERS: Final = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
"""What every answer carries: no scripts, no frames, and no address that leaks in a referrer."""

_HOST: Final = re.compile(r"[A-Za-z0-9._:\[\]-]+")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_MARK: Final = (
    '<svg width="28" height="28" viewBox="0 0 28 28" aria-hidden="true"><rect width="28" height="28" rx="8" '
    'fill="currentColor"/><path d="M9 9h10L9 19h10" fill="none" stroke="var(--card)" stroke-width="2.5" '
    'stroke-linecap="round" stroke-linejoin="round"/></svg>'
)


def consent_page(
    ticket: str,
    client_id: str,
    scopes: Iterable[str],
    users: Iterable[User],
    action: str = "/oauth/v2/auth",
    target: str | None = None,
) -> str:
    """Return the page on which a person picks a user, and accepts or rejects.

    Args:
        ticket: names the request that is being decided.
        client_id: the client.
        scopes: the scopes requested.
        users: who may answer.
        action: where the decision is sent.
        target: where the browser goes afterwards, if it goes anywhere.
    """
    asked = "".join(_scope(scope) for scope in scopes)
    choices = "".join(_choice(user, first=n == 0) for n, user in enumerate(users))
    return _page(
        "Allow access?",
        f'<p>{_asker(target)} <small class="soft">Client <code>{escape(client_id)}</code></small></p>'
        f'<form method="post" action="{escape(action)}">'
        f'<input type="hidden" name="ticket" value="{escape(ticket)}">'
        f"<fieldset><legend>Answer as</legend>{choices}</fieldset>"
        f"<h2>What it asks for</h2><ul>{asked}</ul>"
        '<div class="buttons"><button class="accept" name="decision" value="accept">Accept</button>'
        '<button name="decision" value="reject">Reject</button></div></form>',
        target,
    )


def device_page(action: str) -> str:
    """Return the page on which a person types the code that a device shows; `action` takes it."""
    return _page(
        "Log a device in",
        f'<form action="{escape(action)}"><label>The code that the device shows '
        '<input name="user_code" autocomplete="off" autocapitalize="characters" spellcheck="false" '
        'required></label><div class="buttons"><button class="accept">Next</button></div></form>',
    )


def notice_page(text: str) -> str:
    """Return the page after a decision."""
    return _page("Done", f"<p>{escape(text)}</p>")


def error_page(reason: str, hint: str) -> str:
    """Return the page for a request that may not be answered with a redirect."""
    return _page("The request cannot be answered", f"<p>{escape(reason)}</p><p>{escape(hint)}</p>")


def _asker(target: str | None) -> str:
    if target is None:
        return "A device wants to use your data at Zoho."
    name = urlsplit(target).netloc or urlsplit(target).scheme
    return f"<strong>{escape(name)}</strong> wants to use your data at Zoho."


def _scope(scope: str) -> str:
    words = in_words(scope)
    return f"<li>{escape(words) if words else ''}<code>{escape(scope)}</code></li>"


def _choice(user: User, *, first: bool) -> str:
    checked = " checked" if first else ""
    return (
        f'<label><input type="radio" name="user" value="{escape(user.email)}"{checked}>'
        f"<span><strong>{escape(user.full_name)}</strong>"
        f"<small>{escape(user.email)}</small><small>{escape(user.organization.name)}</small></span></label>"
    )


def _page(title: str, content: str, target: str | None = None) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f'<meta http-equiv="Content-Security-Policy" content="form-action {_form_targets(target)}">'
        f"<title>{title} – Zoho emulator</title><style>{STYLE}</style></head>"
        f"<body><header>{_MARK}Local Zoho<span>an emulator</span></header>"
        f"<main><h1>{title}</h1>{content}</main>"
        "<footer>No real account is involved.</footer></body></html>"
    )


def _form_targets(target: str | None) -> str:
    """Return where a page's form may lead, over redirects too."""
    parts = urlsplit(target or "")
    if parts.scheme in ("http", "https") and _HOST.fullmatch(parts.netloc):
        return f"'self' {parts.scheme}://{parts.netloc}"
    return f"'self' {parts.scheme}:" if _SCHEME.fullmatch(parts.scheme) else "'self'"
