"""The names of a store's keys. All share one hash tag, so that they are in one slot of a cluster."""

from __future__ import annotations

import hashlib
from typing import Final

from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.records import SECRET_COLUMNS

LAYOUT: Final = "1"
"""The stored form. A change that an older release would mistake for damage, or would damage, is a new one."""

_HASHED: Final = frozenset(SECRET_COLUMNS)


class RedisKeyNames:
    """Key names under a prefix."""

    def __init__(self, prefix: str) -> None:
        if not isinstance(prefix, str) or not prefix or {"{", "}"} & set(prefix):
            raise ConfigurationError("The prefix of a Redis store must be a non-empty string without braces.")
        self.base = f"{{{prefix}}}:"
        self.ids = f"{self.base}ids"
        self.retired = f"{self.base}retired"
        self.meta = f"{self.base}meta"
        self.probes = (self.meta, *(f"{self.base}probe:{kind}" for kind in ("hash", "set", "zset", "string")))
        self.rows = f"{self.base}row:"
        self.leases = f"{self.base}lease:"

    def lookup(self, index: str, key: str) -> str:
        """Return the key of the set of ids that a look-up finds.

        Names of keys are seen in more places than values, so they contain no credentials.
        SHA-1, because scripts have no other; what is found is also compared by value.
        """
        if index in _HASHED:
            key = hashlib.sha1(key.encode(), usedforsecurity=False).hexdigest()
        return f"{self.base}{index}:{key}"
