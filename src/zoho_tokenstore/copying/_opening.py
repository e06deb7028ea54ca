"""From two URLs to the two stores of a copy."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from zoho_tokenstore.copying._endpoints import Endpoint
from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.registry import open_backend
from zoho_tokenstore.sealing._cipher import Cipher, NullCipher, check_store, cipher_for

if TYPE_CHECKING:
    from zoho_tokenstore.sealing import KeysArg

CLEAR: Final = "clear"
"""Instead of keys: the store has none, whatever the environment says."""


@contextlib.contextmanager
def open_endpoint(url: str, keys: KeysArg | None) -> Iterator[Endpoint]:
    """Open a store for a copy, and close it afterwards."""
    with contextlib.closing(open_backend(url)) as backend:
        is_clear = isinstance(keys, str) and keys == CLEAR
        cipher: Cipher = NullCipher() if is_clear else cipher_for(keys, backend.location)
        check_store(backend, cipher)
        yield Endpoint(backend, cipher)


def refuse_one_store(source: Endpoint, destination: Endpoint) -> None:
    """Raise a `ConfigurationError` if both are the same store.

    Two may look alike, as two schemas of one database do: then their rows decide.
    """
    one, other = source.backend, destination.backend
    if one.location != other.location:
        return
    first, theirs = (next(iter(backend.scan(limit=1)), None) for backend in (one, other))
    if first == theirs:
        raise ConfigurationError(f"The source and the destination are the same store: {one.location}.")
