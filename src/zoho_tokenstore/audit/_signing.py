"""What the keys of a sealed store do for its audit trail: they authenticate entries and digests of logins."""

from __future__ import annotations

import hashlib
from typing import Final, Protocol

from zoho_tokenstore.records import TokenRecord

_LOGIN: Final = "zoho-tokenstore login:"
_DIGEST_LENGTH: Final = 16
"""64 bits: enough to tell the logins of a store apart, and far too few to say anything about a token."""


class Signer(Protocol):
    """Makes and checks message authentication codes, if there are keys."""

    def key(self) -> str | None:
        """Return the id of the key that signs now; `None` if nothing is signed."""

    def sign(self, key: str, text: str) -> str | None:
        """Return the code of a string under a key; `None` if that key is not here."""

    @property
    def accepts_unsigned(self) -> bool:
        """Whether an entry without a code is as it should be."""


class Unsigned:
    """For stores without keys."""

    accepts_unsigned: Final = True

    def key(self) -> None:
        return None

    def sign(self, key: str, text: str) -> None:  # noqa: ARG002
        return None


def login_digest(signer: Signer, record: TokenRecord | None) -> str | None:
    """Return what tells a login from others of its user; nothing can be learnt of its tokens from it.

    With keys it is an HMAC, and changes when the newest key does. Without, it is a part of SHA-256: what Zoho
    issues is random, so nobody can try out what it could be.
    """
    token = record and (record.refresh_token or record.grant_token or record.access_token)
    if not token:
        return None
    key = signer.key()
    mac = None if key is None else signer.sign(key, _LOGIN + token)
    return (mac or hashlib.sha256((_LOGIN + token).encode()).hexdigest())[:_DIGEST_LENGTH]
