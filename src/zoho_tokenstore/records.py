"""The two values everything else passes around: what a token is, and what a backend stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Final, NamedTuple

from zoho_tokenstore.errors import BackendError, InvalidTokenError

COLUMNS: Final = (
    "id",
    "user_name",
    "client_id",
    "client_secret",
    "refresh_token",
    "access_token",
    "grant_token",
    "expiry_time",
    "redirect_url",
    "api_domain",
)
"""The columns of the published `oauthtoken` table, in their published order."""

BOOKKEEPING: Final = ("created_at_ms", "updated_at_ms", "last_used_at_ms")
"""What the repository notes about a row; integers, absolute epoch milliseconds."""

SECRET_COLUMNS: Final = ("client_secret", "refresh_token", "access_token", "grant_token")
"""The columns that nobody but their user may read."""

NO_DIGESTS: Final[Mapping[str, str]] = MappingProxyType({})
"""What a row has whose look-ups find it by its own columns."""

REMEMBERED: Final = 1024
"""How many unchanged rows each layer keeps what it made of, at most."""

LOOKUPS: Final = ("user_name", "refresh_token", "access_token", "grant_token")
"""The columns by which a row can be looked up, beside its id."""


@dataclass(frozen=True, kw_only=True, repr=False)
class TokenRecord:
    """One OAuth token set of one user, or, with fields left out, a query for one.

    An empty text means the same as `None`: the field is missing. `expires_at_ms` is when the
    access token ends, in milliseconds since the epoch. The three fields of bookkeeping are the
    repository's; what a caller puts there is not stored.

    Raises:
        InvalidTokenError: a field is not text (or, for `expires_at_ms`, not a whole number), or
            holds a lone surrogate, which no storage can keep.
    """

    id: str | None = None
    user_name: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    refresh_token: str | None = None
    access_token: str | None = None
    grant_token: str | None = None
    expires_at_ms: int | None = None
    redirect_url: str | None = None
    api_domain: str | None = None
    created_at_ms: int | None = None
    updated_at_ms: int | None = None
    last_used_at_ms: int | None = None

    def __post_init__(self) -> None:
        for name in _TEXT_FIELDS:
            value = getattr(self, name)
            if value is not None:
                check_text(name, value)
            if value == "":
                object.__setattr__(self, name, None)
        for name in _TIME_FIELDS:
            _check_time(name, getattr(self, name))

    def __repr__(self) -> str:
        shown = (
            f"{item.name}={'<secret>' if item.name in SECRET_COLUMNS else repr(value)}"
            for item in fields(self)
            if (value := getattr(self, item.name)) is not None
        )
        return f"TokenRecord({', '.join(shown)})"

    def filled_from(self, stored: TokenRecord) -> TokenRecord:
        """Return this record with every missing field taken from `stored`."""
        missing = {
            item.name: getattr(stored, item.name) for item in fields(self) if getattr(self, item.name) is None
        }
        return replace(self, **missing)


_TEXT_FIELDS: Final = tuple(name for name in COLUMNS if name != "expiry_time")
_TIME_FIELDS: Final = ("expires_at_ms", *BOOKKEEPING)


def check_text(name: str, value: object) -> None:
    """Raise an `InvalidTokenError` if `value` is no text that a storage can keep."""
    if not isinstance(value, str):
        raise InvalidTokenError(f"{name} must be text or None, not {type(value).__name__}.")
    if value.isascii():
        return
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        # `from None`: the codec's message would show the value.
        raise InvalidTokenError(f"{name} holds a lone surrogate, which is not valid Unicode text.") from None


def _check_time(name: str, value: object) -> None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise InvalidTokenError(f"{name} must be whole milliseconds or None, not {type(value).__name__}.")


class Row(NamedTuple):
    """What a backend stores: texts it does not understand, under the published column names.

    `digests` maps a look-up name to the opaque text by which the row is found there; a look-up
    without a digest finds the row by the column of that name. `etag` is the backend's own mark of
    this version of the row; it differs after every write by anybody. A tuple, because one is made
    for every look-up.
    """

    id: str
    user_name: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    refresh_token: str | None = None
    access_token: str | None = None
    grant_token: str | None = None
    expiry_time: str | None = None
    redirect_url: str | None = None
    api_domain: str | None = None
    created_at_ms: int | None = None
    updated_at_ms: int | None = None
    last_used_at_ms: int | None = None
    digests: Mapping[str, str] = NO_DIGESTS
    etag: object = None

    def __repr__(self) -> str:
        return f"Row(id={self.id!r}, etag={self.etag!r})"

    def lookup_key(self, index: str) -> str | None:
        """Return the text by which `index` finds this row, or `None` if it does not."""
        digest = self.digests.get(index)
        if digest is not None:
            return digest
        column: str | None = getattr(self, index)
        return column


ROW_FIELDS: Final = (*COLUMNS, *BOOKKEEPING)
"""The first fields of a `Row`, which every backend stores as they are."""

_RECORD_FIELDS: Final = tuple("expires_at_ms" if name == "expiry_time" else name for name in ROW_FIELDS)


def record_from_row(row: Row) -> TokenRecord:
    """Return the token in a row whose secrets are clear.

    Raises:
        BackendError: the stored expiry is no number, so whether the token is alive is unknown.
    """
    record = object.__new__(TokenRecord)
    held = record.__dict__  # the constructor would take longer than the read, and check again
    held.update(zip(_RECORD_FIELDS, row))  # noqa: B905  # digests and etag are left over
    held["expires_at_ms"] = _parse_expiry(row.id, row.expiry_time) if row.expiry_time else None
    if "" in held.values():
        held.update({name: None for name, value in held.items() if value == ""})
    return record


def row_from_record(record: TokenRecord, row_id: str) -> Row:
    """Return the row that stores a token under `row_id`, its secrets clear."""
    expiry = None if record.expires_at_ms is None else str(record.expires_at_ms)
    values = {name: getattr(record, name) for name in ROW_FIELDS if name != "expiry_time"}
    return Row(**{**values, "id": row_id, "expiry_time": expiry})


def _parse_expiry(row_id: str, text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise BackendError(
            f"Row {row_id!r} has an expiry_time that is not a number of milliseconds. "
            "Correct or delete that row; the others are not affected."
        ) from error
