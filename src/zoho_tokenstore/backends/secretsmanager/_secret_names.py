"""The names of secrets below a store's prefix.

token/<id>                  a row; an id with characters invalid in a name becomes = and its digest
by/<index>/<digest>         which rows an index finds under one string
retired/<0 to f>            ids of deleted rows, by the first digit of the digest of their key
store                       the layout, and when all rows were last deleted at once
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.records import LONGEST_ID

LAYOUT: Final = 1
SHARDS: Final = "0123456789abcdef"

# AWS also allows / _ + = . @ -. A name must not end with a hyphen and six characters, or be taken for an ARN.
_PREFIX: Final = re.compile(r"[A-Za-z0-9_+=.@-]+(/[A-Za-z0-9_+=.@-]+)*")
_MAX_PREFIX_LENGTH: Final = 256
_PLAIN: Final = re.compile(rf"[0-9a-z_]{{1,{LONGEST_ID}}}")  # with the prefix, below a name's limit of 512
_DIGEST: Final = re.compile(r"=[0-9a-f]{64}")


class SecretNames:
    """The names of one store."""

    def __init__(self, prefix: str) -> None:
        if not _PREFIX.fullmatch(prefix) or len(prefix) > _MAX_PREFIX_LENGTH:
            raise ConfigurationError(
                f"The prefix of a Secrets Manager store has 1 to {_MAX_PREFIX_LENGTH} letters, digits and "
                "_+=.@- characters, in parts between single slashes, as in prod/zoho-tokens."
            )
        self.rows = f"{prefix}/token/"
        self.lookups = f"{prefix}/by/"
        self.store = f"{prefix}/store"
        self._retired = f"{prefix}/retired/"

    def row(self, key: str) -> str:
        """Return the name of the secret with the row of this key."""
        return self.rows + key

    def lookup(self, index: str, text: str) -> str:
        """Return the name of the secret that lists the rows an index finds under a string."""
        return f"{self.lookups}{index}/{_digest(text)}"

    def retired(self, shard: str) -> str:
        """Return the name of the secret with the retired ids of a shard."""
        return self._retired + shard

    def key_in(self, name: str) -> str | None:
        """Return the key of the row in the secret of this name; `None` if it is not a row of ours."""
        key = name.removeprefix(self.rows)
        return key if name.startswith(self.rows) and is_key(key) else None


def key_of(row_id: str) -> str:
    """Return the key of the row with this id."""
    return row_id if _PLAIN.fullmatch(row_id) else f"={_digest(row_id)}"


def is_key(text: str) -> bool:
    """Return whether a row can be stored under this key."""
    return _PLAIN.fullmatch(text) is not None or is_digest(text)


def id_of(key: str) -> str | None:
    """Return the id of the row with this key; `None` if the key does not contain it."""
    return None if is_digest(key) else key


def is_digest(key: str) -> bool:
    """Return whether a key stands for an id that a name cannot contain."""
    return _DIGEST.fullmatch(key) is not None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
