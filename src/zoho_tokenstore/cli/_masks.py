"""What is shown of a secret."""

from __future__ import annotations

from typing import Final

_SHORT: Final = 32
_SHOWN: Final = 4


def masked(secret: str | None) -> str | None:
    """Return the last four characters of a secret, and none of one so short that they would matter."""
    if secret is None:
        return None
    return f"…{secret[-_SHOWN:]}" if len(secret) >= _SHORT else "…"
