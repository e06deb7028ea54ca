"""How texts are stored: as they are, but for what a column or an index cannot hold."""

from __future__ import annotations

import hashlib
import re
from typing import Final

LONGEST_ID: Final = 190
"""Longer ids are stored by their beginning and a digest; the whole id then stands in `long_id`."""

DIGEST_LENGTH: Final = 64
ID_LENGTH: Final = 255  # the beginning of an id and a digest fit

_ESCAPED: Final = re.compile("\x01([\x01\x02])")
_UNESCAPED: Final = {"\x01": "\0", "\x02": "\x01"}


def is_long(text: str) -> bool:
    """Tell whether a stored id needs its `long_id`."""
    return len(text) > LONGEST_ID


def id_key(text: str) -> str:
    """Return an id as its column holds it: never longer than an index can hold.

    What is not longer than `LONGEST_ID` stays as it is, all others get the same greater length: so
    no two ids share a key. Keys sort as the ids do, as long as these differ in their beginnings.
    """
    return text[:LONGEST_ID] + digest(text) if is_long(text) else text


def digest(text: str) -> str:
    """Return a text of fixed length that stands for any other one in an index.

    By BLAKE2, which Python brings itself: a child must not need OpenSSL, whose locks another thread
    may have held when its parent forked.
    """
    return hashlib.blake2b(text.encode(), digest_size=DIGEST_LENGTH // 2).hexdigest()


def needs_escape(text: str) -> bool:
    """Tell whether a text is not stored as it is where NUL cannot be."""
    return "\0" in text or "\x01" in text


def escape(text: str) -> str:
    """Return a text without NUL that nothing else is escaped to, and that sorts as the first one did."""
    if not needs_escape(text):
        return text
    return text.replace("\x01", "\x01\x02").replace("\0", "\x01\x01")


def unescape(text: str) -> str:
    """Return what was escaped."""
    if "\x01" not in text:
        return text
    return _ESCAPED.sub(lambda found: _UNESCAPED[found[1]], text)


def shown(stored: object) -> str:
    """Return as much of a stored id as can be told as text."""
    if isinstance(stored, bytes):
        return stored.decode("utf-8", "backslashreplace")
    return "" if stored is None else str(stored)


def or_bytes(stored: bytes) -> str | bytes:
    """Return a text from its UTF-8, or the bytes if they are none."""
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return stored
