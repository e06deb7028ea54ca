"""Makes tokens, codes and ids, and the labels that stand for them in counters."""

from __future__ import annotations

import hashlib
import random
import secrets


class Mint:
    """Makes random strings: from `secrets`, or reproducibly from a seed."""

    def __init__(self, seed: int | None = None) -> None:
        self._seeded = None if seed is None else random.Random(seed)  # noqa: S311

    def token(self) -> str:
        """Return a string of the form `1000.<32 hex>.<32 hex>`, as Zoho's codes and tokens have."""
        return f"1000.{self.hex(16)}.{self.hex(16)}"

    def client_id(self) -> str:
        """Return a string that looks like the API console's client ids."""
        return f"1000.{self.hex(15).upper()}"

    def hex(self, size: int) -> str:
        """Return `size` random bytes in hexadecimal."""
        if self._seeded is None:
            return secrets.token_hex(size)
        return self._seeded.randbytes(size).hex()


def label(token: str) -> str:
    """Return the name by which counters and journal refer to a token: 12 hex digits of its SHA-256.

    Args:
        token: a code, an access token or a refresh token.
    """
    return hashlib.sha256(token.encode()).hexdigest()[:12]
