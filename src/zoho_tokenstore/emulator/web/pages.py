"""The pages people see. Everything that came from outside is escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from html import escape

from zoho_tokenstore.emulator.model import User

_STYLE = """
body{font:1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:3rem auto;padding:0 1rem;
color:#1c1c1c;background:#fff}
fieldset{border:1px solid #767676;border-radius:.4rem;margin:1rem 0;padding:1rem}
label{display:block;padding:.35rem 0}
button{font:inherit;padding:.5rem 1.4rem;margin-right:.6rem;border:1px solid #0b5cad;border-radius:.4rem;
cursor:pointer}
button.accept{background:#0b5cad;color:#fff}
button.reject{background:#fff;color:#0b5cad}
code{overflow-wrap:anywhere}
:focus-visible{outline:3px solid #b35900;outline-offset:2px}
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
"""What every answer carries: no scripts, no frames, and no address that leaks in a referrer."""


def consent_page(
    ticket: str,
    client_id: str,
    scopes: Iterable[str],
    users: Iterable[User],
    action: str = "/oauth/v2/auth",
) -> str:
    """Return the page on which a person picks a user, and accepts or rejects.

    Args:
        ticket: names the request that is being decided.
        client_id: who asks.
        scopes: what is asked for.
        users: who may answer.
        action: where the decision is sent.
    """
    asked = "".join(f"<li><code>{escape(scope)}</code></li>" for scope in scopes)
    choices = "".join(_choice(user, first=n == 0) for n, user in enumerate(users))
    return _page(
        "Allow access?",
        f"<p>The client <code>{escape(client_id)}</code> asks for:</p><ul>{asked}</ul>"
        f'<form method="post" action="{escape(action)}">'
        f'<input type="hidden" name="ticket" value="{escape(ticket)}">'
        f"<fieldset><legend>Answer as</legend>{choices}</fieldset>"
        '<button class="accept" name="decision" value="accept">Accept</button>'
        '<button class="reject" name="decision" value="reject">Reject</button>'
        "</form><p>This is an emulator. No real account is involved.</p>",
    )


def device_page(action: str) -> str:
    """Return the page on which a person types the code that a device shows; `action` takes it."""
    return _page(
        "Log a device in",
        f'<form action="{escape(action)}"><label>The code that the device shows '
        '<input name="user_code" autocomplete="off" required></label>'
        '<button class="accept">Next</button></form>',
    )


def notice_page(text: str) -> str:
    """Return the page after a decision."""
    return _page("Done", f"<p>{escape(text)}</p>")


def error_page(reason: str, hint: str) -> str:
    """Return the page for a request that may not be answered with a redirect."""
    return _page("The request cannot be answered", f"<p>{escape(reason)}</p><p>{escape(hint)}</p>")


def _choice(user: User, *, first: bool) -> str:
    checked = " checked" if first else ""
    text = f"{escape(user.full_name)}, {escape(user.organization.name)} ({escape(user.email)})"
    return f'<label><input type="radio" name="user" value="{escape(user.email)}"{checked}> {text}</label>'


def _page(title: str, content: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title} – Zoho emulator</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{title}</h1>{content}</main></body></html>"
    )
