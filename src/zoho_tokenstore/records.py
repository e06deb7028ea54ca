"""The two values everything else passes around: what a token is, and what a backend stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from operator import itemgetter
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from zoho_tokenstore.errors import InvalidTokenError

__all__ = [
    "BOOKKEEPING",
    "COLUMNS",
    "LONGEST_ID",
    "LOOKUPS",
    "NO_DIGESTS",
    "ROW_FIELDS",
    "SECRET_COLUMNS",
    "Found",
    "RetiredId",
    "Row",
    "TokenRecord",
    "UnreadableRow",
    "record_from_row",
    "row_from_record",
]

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

BOOKKEEPING: Final = ("created_at_ms", "updated_at_ms", "last_used_at_ms", "identified_at_ms")
"""What the repository notes about a row; integers, absolute epoch milliseconds.

`identified_at_ms` is when Zoho itself last named the row's user; without it, only an application did.
"""

SECRET_COLUMNS: Final = ("client_secret", "refresh_token", "access_token", "grant_token")
"""The columns that only their user may read."""

NO_DIGESTS: Final[Mapping[str, str]] = MappingProxyType({})
"""The value for a row whose look-ups find it by its own columns."""

LONGEST_ID: Final = 190
"""How many characters an id may have: what a MySQL or Secrets Manager key can hold."""

LOOKUPS: Final = ("user_name", "refresh_token", "access_token", "grant_token")
"""The columns by which a row can be looked up, besides its id."""


@dataclass(frozen=True, kw_only=True, repr=False)
class TokenRecord:
    """One OAuth token set of one user, or, with fields left out, a query for one.

    An empty string means the same as `None`: the field is missing. `expires_at_ms` is when the
    access token expires, in milliseconds since the epoch. The bookkeeping fields are the
    repository's; what a caller puts there is not stored.

    Raises:
        InvalidTokenError: a field is not text (or, for `expires_at_ms`, not a whole number), or
            holds a lone surrogate or a NUL, which not every storage can keep; or an id is longer than
            190 characters.
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
    identified_at_ms: int | None = None

    def __post_init__(self) -> None:
        held = self.__dict__
        for name in _TEXT_FIELDS:
            value = held[name]
            if value is None:
                continue
            check_text(name, value)
            if value == "":
                held[name] = None
        for name in _TIME_FIELDS:
            if held[name] is not None:
                _check_time(name, held[name])

    def __repr__(self) -> str:
        shown = (
            f"{item.name}={'<secret>' if item.name in SECRET_COLUMNS else repr(value)}"
            for item in fields(self)
            if (value := getattr(self, item.name)) is not None
        )
        return f"TokenRecord({', '.join(shown)})"

    def filled_from(self, stored: TokenRecord) -> TokenRecord:
        """Return this record with every missing field taken from `stored`."""
        own = {name: value for name, value in self.__dict__.items() if value is not None}
        return _unchecked(stored.__dict__ | own)

    def changed(self, **values: Any) -> TokenRecord:
        """Return a copy with other values, which are not checked: they come from a record or a store."""
        return _unchecked(self.__dict__ | values)


_TEXT_FIELDS: Final = tuple(name for name in COLUMNS if name != "expiry_time")
_TIME_FIELDS: Final = ("expires_at_ms", *BOOKKEEPING)


def check_text(name: str, value: object) -> None:
    """Raise an `InvalidTokenError` if `value` is not a string that a storage can keep."""
    if not isinstance(value, str):
        raise InvalidTokenError(f"{name} must be text or None, not {type(value).__name__}.")
    if name == "id" and len(value) > LONGEST_ID:
        raise InvalidTokenError(f"id has {len(value)} characters, and at most {LONGEST_ID} are possible.")
    if "\0" in value:
        raise InvalidTokenError(f"{name} contains a NUL, which nothing that Zoho issues does.")
    if value.isascii():
        return
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        # `from None`: the codec's message would show the value.
        raise InvalidTokenError(f"{name} holds a lone surrogate, which is not valid Unicode text.") from None


def not_an_id(value: object, method: str) -> InvalidTokenError:
    """Return the error for an id that is not a string, such as that of a token which was never saved."""
    passed = "None" if value is None else f"a value of type {type(value).__name__}"
    return InvalidTokenError(f"{method} needs the id of a token, a string; {passed} was passed.")


def check_id(token_id: object, method: str) -> None:
    """Raise an `InvalidTokenError` if an id passed to a method is not one."""
    if not isinstance(token_id, str):
        raise not_an_id(token_id, method)
    check_text("id", token_id)


def is_user(wanted: str | None, user_name: str | None) -> bool:
    """Return whether a user is wanted, by their name or the e-mail address at its beginning.

    Zoho's answer names a user `<e-mail>:<zgid>`. Without a wanted one, everybody is.
    """
    name = user_name or ""
    return wanted in (None, name) or ("@" in (wanted or "") and wanted == name.partition(":")[0])


def check_record(record: object, method: str) -> None:
    """Raise an `InvalidTokenError` if what was passed to a method is not a record."""
    if not isinstance(record, TokenRecord):
        raise InvalidTokenError(f"{method} needs a TokenRecord, not {type(record).__name__}.")


def _check_time(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidTokenError(f"{name} must be whole milliseconds or None, not {type(value).__name__}.")


class Row(NamedTuple):
    """What a backend stores: opaque strings, under the published column names.

    `digests` maps a look-up name to the opaque string by which the row is found there; a look-up
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
    identified_at_ms: int | None = None
    digests: Mapping[str, str] = NO_DIGESTS
    etag: object = None

    def __repr__(self) -> str:
        return f"Row(id={self.id!r}, etag={self.etag!r})"

    def lookup_key(self, index: str) -> str | None:
        """Return the string by which `index` finds this row, or `None` if it does not."""
        digest = self.digests.get(index)
        if digest is not None:
            return digest
        column: str | None = getattr(self, index)
        return column


class UnreadableRow(NamedTuple):
    """What a storage found instead of a row.

    `id` is its id, or as much of it as is text; `reason` says in a few words what is
    wrong, and shows no stored value.
    """

    id: str
    reason: str


Found = Row | UnreadableRow
"""What a storage finds: a bad row is reported among the good ones, and blocks nobody."""


class RetiredId(NamedTuple):
    """The id of a row that was deleted, and when, in milliseconds since the epoch."""

    id: str
    at_ms: int


ROW_FIELDS: Final = (*COLUMNS, *BOOKKEEPING)
"""The first fields of a `Row`, which every backend stores as they are."""

_RECORD_FIELDS: Final = tuple("expires_at_ms" if name == "expiry_time" else name for name in ROW_FIELDS)
_values_of: Final = itemgetter(*_RECORD_FIELDS)
_EXPIRY: Final = ROW_FIELDS.index("expiry_time")
_LONG_PAST: Final = 0
_LATEST: Final = 2**43
"""In the year 2248: greater values are microseconds."""
_new: Final = object.__new__
_set: Final = object.__setattr__


def record_from_row(row: Row) -> TokenRecord:
    """Return the token in a row with unsealed secrets.

    An expiry that is not a number of milliseconds, or other units, counts as long past: the token is
    renewed, and the expiry with it.
    """
    record = _new(TokenRecord)
    held = record.__dict__  # the constructor would take longer than the read, and check again
    (  # field by field: half the time of a loop, and this runs for every row that is read
        held["id"],
        held["user_name"],
        held["client_id"],
        held["client_secret"],
        held["refresh_token"],
        held["access_token"],
        held["grant_token"],
        expiry,
        held["redirect_url"],
        held["api_domain"],
        held["created_at_ms"],
        held["updated_at_ms"],
        held["last_used_at_ms"],
        held["identified_at_ms"],
        _,
        _,
    ) = row
    try:
        ends = int(expiry) if expiry else None
    except ValueError:
        ends = _LONG_PAST
    held["expires_at_ms"] = _LONG_PAST if ends is not None and ends > _LATEST else ends
    if "" in row:
        held.update({name: None for name, value in held.items() if value == ""})
    return record


def row_from_record(record: TokenRecord, row_id: str) -> Row:
    """Return the row that stores a token under `row_id`, its secrets unsealed."""
    values = list(_values_of(record.__dict__))
    values[0] = row_id
    if record.expires_at_ms is not None:
        values[_EXPIRY] = str(record.expires_at_ms)
    return Row(*values)


def _unchecked(held: dict[str, Any]) -> TokenRecord:
    """Return a record of values already checked."""
    record = _new(TokenRecord)
    _set(record, "__dict__", held)  # it is frozen
    return record
