"""One sealing key: its text, its id, and what is derived from it."""

from __future__ import annotations

import base64
import binascii
import os
from binascii import a2b_base64
from typing import Final, Self

from zoho_tokenstore._util.packages import needed_by
from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.sealing._format import MARK

with needed_by("Sealing", "cryptography", "sealing"):
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.hmac import HMAC
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES: Final = 32
TEXT_PREFIX: Final = "ztk1_"
"""The prefix of a key's text, so that scanners for leaked secrets recognise it."""

_NONCE_BYTES: Final = 12
_AROUND: Final = _NONCE_BYTES + 16
"""The bytes of nonce and tag."""

_INFO: Final = b"zoho-tokenstore sealing 1"
_AUDIT_INFO: Final = b"zoho-tokenstore audit 1"
_DIGEST_BYTES: Final = 18
"""144 bits: too many to collide by chance, a whole number of base64 characters, and short in an index."""


class SealingKey:
    """A key of 32 random bytes. Neither its `repr` nor a pickle shows it.

    Four things are derived from it by HKDF-SHA-256 (RFC 5869), and only they are used: the AES-256-GCM
    key, the key of the look-up digests, the key of audit trails, and the key's public id.

    Raises:
        ConfigurationError: the material is not 32 bytes.
    """

    def __init__(self, material: bytes) -> None:
        if len(material) != KEY_BYTES:
            raise ConfigurationError(
                f"A sealing key has {KEY_BYTES} bytes, not {len(material)}. "
                "Make one with: zoho-tokens keys generate."
            )
        derived = HKDF(algorithm=SHA256(), length=68, salt=None, info=_INFO).derive(material)
        self._material = material
        self._mac = HMAC(derived[32:64], SHA256())
        self._aead = AESGCM(derived[:32])
        self._decrypt = self._aead.decrypt  # this and the next are used in every look-up
        self._audit_mac: HMAC | None = None
        self.id: Final = derived[64:].hex()
        self.heading: Final = f"{MARK}{self.id}."
        self._associated = self.heading.encode()

    @classmethod
    def generate(cls) -> SealingKey:
        """Return a new random key."""
        return cls(os.urandom(KEY_BYTES))

    @classmethod
    def from_text(cls, text: str) -> SealingKey:
        """Return the key that a string holds.

        Raises:
            ConfigurationError: it is not a key's text. The text is not shown.
        """
        encoded = text.removeprefix(TEXT_PREFIX)
        try:
            material = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            material = b""
        if not text.startswith(TEXT_PREFIX) or len(material) != KEY_BYTES:
            # `from None`, and without the text: most of it may be right.
            raise ConfigurationError(
                f"One of the sealing keys is not a key: a key is {TEXT_PREFIX} and 43 more characters. "
                "Make one with: zoho-tokens keys generate."
            ) from None
        return cls(material)

    def to_text(self) -> str:
        """Return the key as text. It is a secret."""
        return TEXT_PREFIX + base64.urlsafe_b64encode(self._material).decode().rstrip("=")

    def seal(self, content: str, place: bytes) -> str:
        """Return a box with this content; each call makes a new one.

        Arguments:
            content: the secrets of a row (`values.content_of`).
            place: what of the row is authenticated (`values.associated_data`).
        """
        clear = content.encode()
        padding = 1 + (-(_AROUND + 1 + len(clear))) % 3
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._aead.encrypt(
            nonce, bytes((padding, *[0] * (padding - 1))) + clear, self._associated + place
        )
        return self.heading + binascii.b2a_base64(sealed, newline=False).decode()

    def unseal(self, box: str, place: bytes) -> str | None:
        """Return the content of a box that `seal` made with the same key and place, otherwise `None`."""
        body = box.removeprefix(self.heading)
        try:
            sealed = a2b_base64(body)
            # A text of another length contained something that is not base64.
            if body == box or 4 * len(sealed) != 3 * len(body):
                return None
            clear = self._decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], self._associated + place)
            return clear[clear[0] :].decode()
        except (InvalidTag, ValueError):  # the latter: a text that is not base64, or is cut short
            return None

    def digest(self, index: str, value: str) -> str:
        """Return the string under which `index` finds a secret: an HMAC that reveals nothing of it."""
        mac = self._mac.copy()
        mac.update(f"{index}:{value}".encode())
        return binascii.b2a_base64(mac.finalize()[:_DIGEST_BYTES], newline=False).decode()

    def sign(self, text: str) -> str:
        """Return the message authentication code of a string of an audit trail, under a key of its own."""
        if self._audit_mac is None:  # few keys ever sign
            derived = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=_AUDIT_INFO)
            self._audit_mac = HMAC(derived.derive(self._material), SHA256())
        mac = self._audit_mac.copy()
        mac.update(text.encode())
        return mac.finalize().hex()

    def __repr__(self) -> str:
        return f"SealingKey({self.id!r})"

    def __copy__(self) -> Self:
        return self  # it never changes

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> str:
        raise TypeError("A sealing key is not pickled: it would be in plain text.")
