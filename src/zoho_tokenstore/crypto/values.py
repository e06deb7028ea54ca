"""The form of a sealed row, and what is authenticated of it; `keys.Key` seals and opens.

A sealed row has one box for all its secrets: ASCII text, in the column of the client secret::

    zts1.8f3a90c2.<base64 of nonce, ciphertext and tag>
    │  │ │
    │  │ └ the id of its key
    │  └ the version of the form
    └ the mark by which people and we know it

AES-256-GCM (NIST SP 800-38D) with a random nonce of 96 bits. What is authenticated beside the
content: this heading, and every stored column that decides anything. So a box opens in its own
row alone, and in that one only as it was sealed.

The content are the four secrets and the times that decide something, between NULs, and before them
one to three bytes of padding, the first of which is their number: so the content is a multiple of
three bytes, and its base64 text the only one there is.
"""

from __future__ import annotations

from typing import Final

from zoho_tokenstore.errors import InvalidTokenError
from zoho_tokenstore.records import NO_DIGESTS, Row

_FAMILY: Final = "zts"
MARK: Final = f"{_FAMILY}1."
_ID: Final = slice(len(MARK), len(MARK) + 8)
HEADING: Final = _ID.stop + 1
"""The characters before the base64."""

_PARTS: Final = 7
_new: Final = tuple.__new__
_ERRORS: Final = "surrogatepass"
"""A stored text may hold what is no Unicode: then it is not what was sealed, and no other error."""


def is_sealed(text: str) -> bool:
    """Tell whether a text has the form of a box, of this version or a later one."""
    return text.startswith(_FAMILY) and text[_ID.start - 1 : _ID.start] == text[_ID.stop : HEADING] == "."


def key_id_of(sealed: str) -> str:
    """Return the id of the key that a box names."""
    return sealed[_ID]


def place_of(row: Row) -> bytes:
    """Return what is authenticated of a row: its id, owner, redirect URL and expiry.

    Lengths stand before the texts, so no two rows have one place. What is missing counts as empty:
    some storages cannot tell the two apart.
    """
    row_id, user, client, _, _, _, _, ends, url, domain = row[:10]
    user, client, ends, url, domain = user or "", client or "", ends or "", url or "", domain or ""
    return (
        f".{len(row_id)}:{row_id}{len(user)}:{user}{len(client)}:{client}{len(domain)}:{domain}"
        f"{len(url)}:{url}{len(ends)}:{ends}"
    ).encode("utf-8", _ERRORS)


def content_of(row: Row) -> str:
    """Return what is sealed of a row with clear secrets.

    Raises:
        InvalidTokenError: one of them has a NUL or a lone surrogate in it, which nothing that Zoho
            gives out has.
    """
    secret, refresh, access, grant = row[3:7]
    created, updated, identified = row.created_at_ms, row.updated_at_ms, row.identified_at_ms
    content = (
        f"{secret or ''}\0{refresh or ''}\0{access or ''}\0{grant or ''}\0"
        f"{'' if created is None else created}\0{'' if updated is None else updated}\0"
        f"{'' if identified is None else identified}"
    )
    if content.count("\0") != _PARTS - 1 or not _is_unicode(content):
        raise InvalidTokenError(
            f"A secret of row {row.id!r} has a NUL or a lone surrogate in it, so it cannot be sealed. "
            "Nothing was changed."
        )
    return content


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def with_content(row: Row, content: str) -> Row:
    """Return a sealed row in clear."""
    secret, refresh, access, grant, created, updated, identified = content.split("\0")
    # By places, and not by the class: this runs for every row that is read.
    return _new(
        Row,
        (
            *row[:3],
            secret or None,
            refresh or None,
            access or None,
            grant or None,
            *row[7:10],
            int(created) if created else None,
            int(updated) if updated else None,
            row[12],
            int(identified) if identified else None,
            NO_DIGESTS,
            row[15],
        ),
    )
