"""The names of a store's keys. All carry one hash tag, so that they lie in one slot of a cluster."""

from __future__ import annotations

import hashlib
from typing import Final

from zoho_tokenstore.errors import BackendError, ConfigurationError
from zoho_tokenstore.records import SECRET_COLUMNS

LAYOUT: Final = "1"
"""The stored form. A change that an older release would take for damage, or damage itself, is a new one."""

NOT_UNICODE: Final = "A text holds a lone surrogate, which is not valid Unicode. Nothing was changed."

_HASHED: Final = frozenset(SECRET_COLUMNS)


class Keys:
    """Key names under a prefix.

    Arguments:
        prefix: tells this store from everything else on the server.

    Raises:
        ConfigurationError: the prefix is empty, or cannot be a hash tag.
    """

    def __init__(self, prefix: str) -> None:
        if not isinstance(prefix, str) or not prefix or {"{", "}"} & set(prefix):
            raise ConfigurationError("The prefix of a Redis store must be a text, not empty, without braces.")
        self.base = f"{{{prefix}}}:"
        self.ids = f"{self.base}ids"
        self.retired = f"{self.base}retired"
        self.meta = f"{self.base}meta"
        self.probes = (self.meta, *(f"{self.base}probe:{kind}" for kind in ("hash", "set", "zset")))
        self.rows = f"{self.base}row:"
        self.leases = f"{self.base}lease:"

    def lookup(self, index: str, key: str) -> str:
        """Return the key of the set of ids that a look-up finds.

        Names of keys are seen in more places than values, so a credential is not put into one.
        SHA-1, because the scripts have no other; what is found is compared by its text as well.
        """
        if index in _HASHED:
            key = hashlib.sha1(utf8(key), usedforsecurity=False).hexdigest()
        return f"{self.base}{index}:{key}"


def utf8(text: str) -> bytes:
    """Return the UTF-8 form of a text.

    Raises:
        BackendError: it has none.
    """
    try:
        return text.encode()
    except UnicodeEncodeError:
        pass  # not chained: the codec's error holds the text
    raise BackendError(NOT_UNICODE)
