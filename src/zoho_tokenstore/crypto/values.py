"""One sealed value: its form, and how it is made and opened.

A sealed value is ASCII text::

    zts1.8f3a90c2.<base64 of nonce, ciphertext and tag>
    │  │ │
    │  │ └ the id of its key
    │  └ the version of the form
    └ the mark by which people and we know it

AES-256-GCM (NIST SP 800-38D) with a random nonce of 96 bits. What is authenticated beside the
value: this heading, the column, and whose row it is. So a value opens in its own place alone.
"""

from __future__ import annotations

from binascii import Error, a2b_base64, b2a_base64
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from zoho_tokenstore.crypto.keys import Key
    from zoho_tokenstore.records import Row

MARK: Final = "zts1."
_ID: Final = slice(len(MARK), len(MARK) + 8)
_HEADING: Final = _ID.stop + 1


def is_sealed(text: str) -> bool:
    """Tell whether a text has the form of a sealed value."""
    return text.startswith(MARK) and text[_ID.stop : _HEADING] == "."


def key_id_of(sealed: str) -> str:
    """Return the id of the key that a sealed value names."""
    return sealed[_ID]


def place_of(row: Row) -> bytes:
    """Return what is authenticated of a row: its id, user, client and API domain.

    Lengths stand before the texts, so no two rows have one place. What is missing counts as empty:
    some storages cannot tell the two apart.
    """
    row_id, user, client, domain = row.id, row.user_name or "", row.client_id or "", row.api_domain or ""
    return f".{len(row_id)}:{row_id}{len(user)}:{user}{len(client)}:{client}{len(domain)}:{domain}".encode()


def seal(value: str, key: Key, column: str, place: bytes) -> str:
    """Return the sealed text of a value. Each call makes another one."""
    heading = f"{MARK}{key.id}."
    sealed = key.encrypt(value.encode(), heading.encode() + column.encode() + place)
    return heading + b2a_base64(sealed, newline=False).decode()


def unseal(sealed: str, key: Key, column: str, place: bytes) -> str | None:
    """Return the value of a sealed text, or `None` if it is not exactly what was sealed there.

    Base64 has several texts for one content; only the one that `seal` writes is taken.
    """
    text = sealed.encode()
    encoded = text[_HEADING:]
    try:
        content = a2b_base64(encoded)
    except Error:
        return None
    if b2a_base64(content, newline=False) != encoded:
        return None
    value = key.decrypt(content, text[:_HEADING] + column.encode() + place)
    return None if value is None else value.decode()
