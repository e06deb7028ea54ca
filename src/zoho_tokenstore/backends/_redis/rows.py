"""A `Row` as the fields of a Redis hash, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.records import BOOKKEEPING, LOOKUPS, NO_DIGESTS, ROW_FIELDS, Row

DIGEST_FIELDS: Final = tuple(f"{name}_digest" for name in LOOKUPS)
FIELDS: Final = (*ROW_FIELDS, *DIGEST_FIELDS, "etag")
"""The fields of a row in the order in which they are asked for. A field that is not there is null."""

ENCODED_FIELDS: Final = tuple(name.encode() for name in FIELDS)

_TEXTS: Final = len(ROW_FIELDS) - len(BOOKKEEPING)
_TIMES: Final = slice(_TEXTS, len(ROW_FIELDS))
_DIGESTS: Final = slice(len(ROW_FIELDS), -1)
_NO_TIMES: Final = [None] * len(BOOKKEEPING)
_NULLS: Final = [None] * len(DIGEST_FIELDS)
_new: Final = tuple.__new__


def fields_of(row: Row) -> list[Any]:
    """Return the fields that store a row, each name before its value, without the etag."""
    pairs: list[Any] = []
    for name, value in zip(ROW_FIELDS, row, strict=False):
        if value is not None:
            pairs += (name, value)
    for name, digest in row.digests.items():
        pairs += (f"{name}_digest", digest)
    return pairs


def row_of(stored: list[bytes | None], location: str) -> Row | None:
    """Return the row in the values of `FIELDS`, or `None` if there is none.

    Raises:
        BackendError: there is something, but no row of ours.
    """
    if stored[0] is None or stored[-1] is None:
        if not any(stored):
            return None
        raise _damaged(stored, location, "lacks its id or its etag")
    try:
        values: list[Any] = [None if value is None else value.decode() for value in stored]
        if values[_TIMES] != _NO_TIMES:
            values[_TIMES] = [None if value is None else int(value) for value in values[_TIMES]]
    except UnicodeDecodeError:
        problem = "holds a text that is not UTF-8"
    except ValueError:
        problem = "holds a time that is not a number"
    else:
        return _row(values)
    # Not from the codec's exception, which holds the value.
    raise _damaged(stored, location, problem)


def _row(values: list[Any]) -> Row:
    digests: Mapping[str, str] = NO_DIGESTS
    if values[_DIGESTS] != _NULLS:
        digests = {
            name: digest for name, digest in zip(LOOKUPS, values[_DIGESTS], strict=True) if digest is not None
        }
    # Not by the class: its constructor would unpack the values again.
    row: Row = _new(Row, (*values[: _TIMES.stop], digests, values[-1]))
    return row


def _damaged(stored: list[bytes | None], location: str, problem: str) -> BackendError:
    row_id = (stored[0] or b"?").decode(errors="backslashreplace")
    return BackendError(
        f"Row {row_id!r} in {location} {problem}. Correct or delete that row; the others are not affected."
    )
