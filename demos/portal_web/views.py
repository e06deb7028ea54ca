"""Pages made of templates."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from demos.portal_web.forms import csrf_token
from demos.portal_web.portal import Portal
from zoho_tokenstore import TokenRecord

_FOLDER: Final = Path(__file__).parent
STATIC: Final = _FOLDER / "static"

_NOTICE: Final = "notice"
_UNITS: Final = ((86_400, "day"), (3600, "hour"), (60, "minute"))

STATES: Final = {
    "active": "Active",
    "due": "Renewed at the next use",
    "login_needed": "Has to log in again",
    "throttled": "Zoho asks to wait",
    "failing": "Cannot be renewed at the moment",
    "unsaved": "Not saved yet",
    "overdue": "Ended: not used for too long",
}
"""What a login's state is called."""


_TITLES: Final = {
    403: "Not allowed",
    404: "Not found",
    405: "Not possible",
    500: "An error here",
    502: "Zoho refused this",
    503: "Zoho doesn’t answer",
}


class Views:
    """Renders pages for a portal.

    Arguments:
        portal: the portal.
    """

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._templates = Environment(
            loader=FileSystemLoader(_FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {"ago": ago, "breakable": breakable, "moment": moment, "state": STATES.get}

    def page(
        self,
        request: Request,
        name: str,
        user: TokenRecord | None = None,
        status_code: int = 200,
        **context: Any,
    ) -> Response:
        """Return a page.

        Arguments:
            request: whose it is.
            name: the template's name, without its ending.
            user: who is logged in.
            status_code: the HTTP status.
            context: what the template shows.
        """
        template = self._templates.get_template(f"{name}.html")
        text = template.render(
            user=user,
            is_coordinator=user is not None and self._portal.is_coordinator(user),
            is_local=self._portal.zoho is not None,
            csrf=csrf_token(request) if user else None,
            path=request.url.path,
            notice=request.session.pop(_NOTICE, None),
            **context,
        )
        return HTMLResponse(text, status_code)

    def problem(
        self,
        request: Request,
        status: int,
        text: str,
        user: TokenRecord | None = None,
        title: str | None = None,
        next: str | None = None,  # noqa: A002  # as the login calls it
    ) -> Response:
        """Return a page that says what went wrong; with `next`, it offers to log in."""
        name = title or _TITLES.get(status, "This did not work")
        return self.page(request, "problem", user, status, title=name, text=text, next=next)


def go(request: Request, path: str, notice: str | None = None) -> Response:
    """Send a browser on after a form, and say there what was done."""
    if notice is not None:
        request.session[_NOTICE] = notice
    return RedirectResponse(path, 303)


def moment(at_ms: int) -> str:
    """Return a time in UTC, for machines; an empty string for one that no calendar has."""
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError):
        return ""


def breakable(address: str) -> Markup:
    """Return an e-mail address that a narrow screen may break after its `@`."""
    return escape(address).replace("@", Markup("@<wbr>"))


def ago(at_ms: int, now_ms: int | None = None) -> str:
    """Return how far a time is from now, in words."""
    seconds = ((now_ms or time.time_ns() // 1_000_000) - at_ms) / 1000
    for size, unit in _UNITS:
        count = int(abs(seconds) // size)
        if count:
            words = f"{count} {unit}{'' if count == 1 else 's'}"
            return f"{words} ago" if seconds > 0 else f"in {words}"
    return "just now" if seconds > -1 else "in a moment"
