"""Reading a URL that may have a password in it."""

from __future__ import annotations

from typing import Final
from urllib.parse import SplitResult, unquote_plus, urlsplit

SAME: Final = {
    "postgres": "postgresql",
    "valkey": "redis",
    "valkeys": "rediss",
    "valkey+cluster": "redis+cluster",
    "valkeys+cluster": "rediss+cluster",
    "valkey+sentinel": "redis+sentinel",
    "valkeys+sentinel": "rediss+sentinel",
}
"""What others call a scheme, and what it is called here."""


def parts_of(url: str) -> SplitResult | None:
    """Return the parts of a URL, or `None` if it is none: the exception would show it, password and all."""
    try:
        return urlsplit(url)
    except ValueError:
        return None


def canonical(url: str) -> str:
    """Return a URL under the scheme that its backend knows."""
    scheme, separator, rest = url.partition("://")
    return SAME.get(scheme.lower(), scheme) + separator + rest


def taken_out(url: str, option: str) -> tuple[str, list[str]]:
    """Return a URL without an option, and the values that it had there.

    It is not taken apart and put together again: what is no URL stays as it is, for who refuses it.
    """
    front, question, rest = url.partition("?")
    query, hash_sign, fragment = rest.partition("#")
    pairs = query.split("&")
    found = [pair for pair in pairs if pair.partition("=")[0] == option]
    if not found or "#" in front:
        return url, []
    left = "&".join(pair for pair in pairs if pair not in found)
    values = [unquote_plus(pair.partition("=")[2]) for pair in found]
    return front + (question + left if left else "") + hash_sign + fragment, values
