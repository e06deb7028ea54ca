"""What stands for a string in an index."""

from __future__ import annotations

import hashlib
from typing import Final

DIGEST_LENGTH: Final = 64
ID_LENGTH: Final = 255
"""What the published table has; our own ids are shorter."""


def digest(text: str) -> str:
    """Return a string of fixed length that stands for another in an index.

    With BLAKE2, which is part of Python: a child must not need OpenSSL, whose locks another thread
    may have held when its parent forked.
    """
    return hashlib.blake2b(text.encode(), digest_size=DIGEST_LENGTH // 2).hexdigest()
