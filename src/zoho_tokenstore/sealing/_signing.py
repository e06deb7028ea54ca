"""The sealing keys as the keys of an audit trail: each has one of its own, derived from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from zoho_tokenstore.audit._signing import Signer, Unsigned
from zoho_tokenstore.sealing._cipher import AESGCMCipher, Cipher
from zoho_tokenstore.sealing._format import heading_of

if TYPE_CHECKING:
    from zoho_tokenstore.sealing._keyset import Keyset


class KeysetSigner:
    """Signs with the newest key of a ring; each of its keys checks what it signed."""

    def __init__(self, keys: Keyset) -> None:
        self._keys: Final = keys

    @property
    def accepts_unsigned(self) -> bool:
        return self._keys.current.accepts_clear

    def key(self) -> str | None:
        self._keys.reload()
        newest = self._keys.current.newest
        return None if newest is None else newest.id

    def sign(self, key: str, text: str) -> str | None:
        found = self._keys.current.by_heading.get(heading_of(key))
        return None if found is None else found.sign(text)


def signer_for(cipher: Cipher) -> Signer:
    """Return what signs the audit trail of a store that keeps its secrets like this."""
    return KeysetSigner(cipher.keys) if isinstance(cipher, AESGCMCipher) else Unsigned()
