"""Reading a URL that may have a password in it."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit


def parts_of(url: str) -> SplitResult | None:
    """Return the parts of a URL, or `None` if it is none: the exception would show it, password and all."""
    try:
        return urlsplit(url)
    except ValueError:
        return None
