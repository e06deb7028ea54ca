"""Other people's texts, ids, numbers and secrets, as they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_LONGEST_ID: Final = 40
_MAX_SHOWN: Final = 20
"""How many ids are shown, and how much of each; an id may have any length."""

_LONG_SECRET: Final = 32
_END: Final = 4


def visible(text: str) -> str:
    """Return a string with invisible characters as Python writes them: ``\\x1b``."""
    if text.isprintable():  # nearly always, and a hundred times as fast
        return text
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def shown_id(row_id: str) -> str:
    """Return an id as it is, cut if long; one with anything unusual in it, as Python writes it."""
    short = row_id if len(row_id) <= _LONGEST_ID else f"{row_id[:_LONGEST_ID]}…"
    is_plain = short.isprintable() and short == short.strip() != "" and "," not in short
    return short if is_plain else repr(short)


def counted(count: int, noun: str) -> str:
    """Return `1 login`, or `2 logins`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def listed(ids: Sequence[str]) -> str:
    """Return the first few ids as a list, and how many more there are."""
    more = len(ids) - _MAX_SHOWN
    return ", ".join(map(shown_id, ids[:_MAX_SHOWN])) + (f" and {more:,} more" if more > 0 else "")


def masked(secret: str | None) -> str | None:
    """Return the last four characters of a secret, and none of one so short that they would matter."""
    if secret is None:
        return None
    return f"…{secret[-_END:]}" if len(secret) >= _LONG_SECRET else "…"
