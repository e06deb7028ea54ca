"""The form of a sealed row, and what of it is authenticated; `keys.Key` seals and opens.

A sealed row has one box for all its secrets: ASCII text, in the column of the client secret::

    zts1.8f3a90c2.<base64 of nonce, ciphertext and tag>
    │  │ │
    │  │ └ the id of its key
    │  └ the version of the form
    └ the mark that identifies it

AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce. Besides the content, it authenticates this
heading and every stored column that decides anything. So a box opens only in its own row, and only
as that row was sealed.

The content is the four secrets and the times that decide something, separated by NULs, after one to
three bytes of padding, the first of which is their number: so the content is a multiple of three
bytes, and its base64 text is unique.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from zoho_tokenstore.errors import InvalidTokenError
from zoho_tokenstore.records import NO_DIGESTS, Row

FAMILY: Final = "zts"
MARK: Final = f"{FAMILY}1."
_ID: Final = slice(len(MARK), len(MARK) + 8)
HEADING: Final = _ID.stop + 1
"""The characters before the base64."""

_PARTS: Final = 8
_new: Final = tuple.__new__
_ERRORS: Final = "surrogatepass"
"""A stored string may not be valid Unicode: then it is not what was sealed, and no other error."""


def is_sealed(text: str) -> bool:
    """Return whether a string has the form of a box, of this or a later version."""
    return text.startswith(FAMILY) and text[_ID.start - 1 : _ID.start] == text[_ID.stop : HEADING] == "."


def heading_of(key_id: str) -> str:
    """Return the heading of the boxes under a key."""
    return f"{MARK}{key_id}."


def key_id_of(sealed: str) -> str:
    """Return the id of the key that a box names."""
    return sealed[_ID]


def associated_data(row: Row) -> bytes:
    """Return what of a row is authenticated: its id, owner, redirect URL and expiry.

    Lengths precede the texts, so no two rows have the same value. Missing counts as empty: some storages
    cannot distinguish them.
    """
    row_id, user, client, _, _, _, _, ends, url, domain = row[:10]
    user, client, ends, url, domain = user or "", client or "", ends or "", url or "", domain or ""
    return (
        f".{len(row_id)}:{row_id}{len(user)}:{user}{len(client)}:{client}{len(domain)}:{domain}"
        f"{len(url)}:{url}{len(ends)}:{ends}"
    ).encode("utf-8", _ERRORS)


def content_of(row: Row) -> str:
    """Return what of a row with unsealed secrets is sealed."""
    secret, refresh, access, grant = row[3:7]
    created, updated, used, identified = row[10:14]
    content = (
        f"{secret or ''}\0{refresh or ''}\0{access or ''}\0{grant or ''}\0"
        f"{'' if created is None else created}\0{'' if updated is None else updated}\0"
        f"{'' if used is None else used}\0{'' if identified is None else identified}"
    )
    if content.count("\0") != _PARTS - 1 or not _is_unicode(content):
        raise InvalidTokenError(
            f"A secret of row {row.id!r} contains a NUL or a lone surrogate, so it cannot be sealed. "
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


def with_box(row: Row, box: str, digests: Mapping[str, str]) -> Row:
    """Return a row with its secrets in a box."""
    return _new(Row, (*row[:3], box, None, None, None, *row[7:14], digests, row[15]))


def with_content(row: Row, content: str) -> Row:
    """Return a sealed row unsealed."""
    secret, refresh, access, grant, created, updated, used, identified = content.split("\0")
    row_id, user, client, _, _, _, _, ends, url, domain, _, _, _, _, _, etag = row
    # By position, not by the class: this runs for every row read.
    return _new(
        Row,
        (
            row_id,
            user,
            client,
            secret or None,
            refresh or None,
            access or None,
            grant or None,
            ends,
            url,
            domain,
            int(created) if created else None,
            int(updated) if updated else None,
            int(used) if used else None,
            int(identified) if identified else None,
            NO_DIGESTS,
            etag,
        ),
    )
