"""What a request says of its browser: for the modules of all frameworks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol
from urllib.parse import quote

BEGUN: Final = "zoho_begun"
"""Where the framework's session keeps the logins that were begun."""

SESSION: Final = "zoho_session"
"""Where it keeps what lets this browser in."""

_BROWSERS: Final = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS: Final = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)

_IN_PATHS: Final = "/:@!$&'()*+,;=~"


class Headers(Protocol):
    """The headers of a request; their names have no case."""

    def get(self, name: str, /) -> str | None:
        """Return the value of a header, if it is there."""


def single(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the parameters of a callback; none at all if one is there twice, as Zoho never sends it."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            return {}
        found[name] = value
    return found


def label_of(user_agent: str | None) -> str:
    """Return what tells a browser from others in a list, such as `Firefox on Linux`."""
    text = user_agent or ""
    browser = next((name for part, name in _BROWSERS if part in text), "Browser")
    system = next((name for part, name in _SYSTEMS if part in text), None)
    return f"{browser} on {system}" if system else browser


def is_cross_site(headers: Headers, host: str) -> bool:
    """Return whether a request that changes something comes from another site (CSRF).

    By the headers `Sec-Fetch-Site` and `Origin`, which a page cannot set. A browser that sends neither is
    kept out by its cookie, which is `SameSite=Lax`.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2].lower() != host.lower()


def with_next(login_path: str, path: str) -> str:
    """Return the path at which a login begins that ends where the user wanted to go."""
    return f"{login_path}?next={quote(path, safe='/')}"


def path_of(path: str, query: str) -> str:
    """Return the path of a request as a browser wrote it, from its decoded path and its query."""
    return quote(path, safe=_IN_PATHS) + (f"?{query}" if query else "")


def is_page_load(method: str, headers: Headers) -> bool:
    """Return whether a browser loads a page, and can be sent to log in; a script must be told instead."""
    mode = headers.get("sec-fetch-mode")
    navigates = "text/html" in (headers.get("accept") or "") if mode is None else mode == "navigate"
    return navigates and method in ("GET", "HEAD")
