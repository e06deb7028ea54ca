"""The form of a sealed value, and what its place is; `keys.Key` seals and unseals.

A sealed value is ASCII text::

    zts1.8f3a90c2.<base64 of nonce, ciphertext and tag>
    │  │ │
    │  │ └ the id of its key
    │  └ the version of the form
    └ the mark by which people and we know it

AES-256-GCM (NIST SP 800-38D) with a random nonce of 96 bits. What is authenticated beside the
value: this heading, the column, and whose row it is. So a value opens in its own place alone.

What is encrypted is one to three bytes of padding, the first of which is their number, and the
value: so the content is a multiple of three bytes, and its base64 text the only one there is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from zoho_tokenstore.records import Row

_FAMILY: Final = "zts"
MARK: Final = f"{_FAMILY}1."
_ID: Final = slice(len(MARK), len(MARK) + 8)
HEADING: Final = _ID.stop + 1
"""The characters before the base64."""

_ERRORS: Final = "surrogatepass"
"""A stored text may hold what is no Unicode: then it is not what was sealed, and no other error."""


def is_sealed(text: str) -> bool:
    """Tell whether a text has the form of a sealed value, of this version or a later one."""
    return text.startswith(_FAMILY) and text[_ID.start - 1 : _ID.start] == text[_ID.stop : HEADING] == "."


def key_id_of(sealed: str) -> str:
    """Return the id of the key that a sealed value names."""
    return sealed[_ID]


def place_of(row: Row) -> bytes:
    """Return what is authenticated of a row: its id, user, client and API domain.

    Lengths stand before the texts, so no two rows have one place. What is missing counts as empty:
    some storages cannot tell the two apart.
    """
    row_id, user, client, domain = row.id, row.user_name or "", row.client_id or "", row.api_domain or ""
    place = f".{len(row_id)}:{row_id}{len(user)}:{user}{len(client)}:{client}{len(domain)}:{domain}"
    return place.encode("utf-8", _ERRORS)
