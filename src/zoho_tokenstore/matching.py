"""Which stored token is meant: the rules, as functions of values alone.

docs/explanation/matching.md tells the same in words, with the reasons.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from zoho_tokenstore.records import TokenRecord

Index = Literal["id", "user_name", "access_token", "grant_token", "refresh_token"]

_FIRST_ID: Final = 9_000_000_000
_IDS: Final = 900_000_000


class Generation(Protocol):
    """The tokens that were stored at some moment."""

    @property
    def access_token(self) -> str | None: ...
    @property
    def refresh_token(self) -> str | None: ...


@dataclass(frozen=True, repr=False)
class Key:
    """One way to look a token up: the column, and the text that must stand there."""

    index: Index
    value: str

    def __repr__(self) -> str:
        return f"Key(index={self.index!r})"


def keys_of(record: TokenRecord) -> list[Key]:
    """Return the keys a record carries, the first one deciding.

    An access token is a key only without client credentials; a grant or refresh token only with
    both of them. An empty list means that the record names nobody.
    """
    keys: list[tuple[Index, str | None]] = [("id", record.id), ("user_name", record.user_name)]
    if record.client_id is None and record.client_secret is None:
        keys.append(("access_token", record.access_token))
    elif record.client_id is not None and record.client_secret is not None:
        keys += [("grant_token", record.grant_token), ("refresh_token", record.refresh_token)]
    return [Key(index, value) for index, value in keys if value is not None]


def choose(query: TokenRecord, key: Key, candidates: Iterable[TokenRecord]) -> TokenRecord | None:
    """Return the candidate that a look-up means, or `None`.

    Arguments:
        query: what the caller passed.
        key: the first of its keys.
        candidates: the records that the store found under this key.
    """
    if key.index == "id":
        return next((found for found in candidates if found.id == key.value), None)
    named = [found for found in candidates if _holds(found, key) and _in_scope(query, found)]
    return _latest(
        found
        for found in named
        if not rotates_secret(query, found) and (key.index != "user_name" or not contradicts(query, found))
    )


def choose_to_update(record: TokenRecord, key: Key, candidates: Iterable[TokenRecord]) -> TokenRecord | None:
    """Return the candidate that saving `record` updates, or `None` if none of them is its owner's.

    Of several, a row that holds the record's own user, client and domain comes before one that
    leaves some of them open.
    """
    owned = [found for found in candidates if _holds(found, key) and same_owner(record, found)]
    closest = max((_closeness(record, found) for found in owned), default=0)
    return _latest(found for found in owned if _closeness(record, found) == closest)


def contradicts(query: TokenRecord, found: TokenRecord) -> bool:
    """Tell whether the query brings credentials that are not those of the row found by name."""
    return any(
        given is not None and given != stored
        for given, stored in (
            (query.refresh_token, found.refresh_token),
            (query.grant_token, found.grant_token),
        )
    )


def rotates_secret(query: TokenRecord, found: TokenRecord) -> bool:
    """Tell whether the query brings a new client secret for a stored refresh token.

    Then the SDK refreshes with it, and the save stores it. Without a refresh token in the query
    there is nothing to try it with: the caller's secret stays on the token that he gets.
    """
    return (
        query.refresh_token is not None
        and query.client_secret is not None
        and found.client_secret is not None
        and query.client_secret != found.client_secret
    )


def same_owner(record: TokenRecord, found: TokenRecord) -> bool:
    """Tell whether two records can be one (user, client, API domain); a missing part fits any."""
    return all(
        mine is None or theirs is None or mine == theirs
        for mine, theirs in zip(_owner(record), _owner(found), strict=True)
    )


def same_person(record: TokenRecord, found: TokenRecord) -> bool:
    """Tell whether a row that was named by its id can be the record's: no other user or client."""
    return all(
        mine is None or theirs is None or mine == theirs
        for mine, theirs in ((record.user_name, found.user_name), (record.client_id, found.client_id))
    )


def merge(record: TokenRecord, stored: TokenRecord) -> TokenRecord:
    """Return what a save leaves: the new fields, and the stored ones where nothing new is given."""
    return record.filled_from(stored)


def is_outrun(record: TokenRecord, stored: TokenRecord, start: Generation, now_ms: int) -> bool:
    """Tell whether somebody else saved a refresh or a login since `start` was what is stored.

    Access tokens are compared, because Zoho does not rotate refresh tokens: an unchanged one
    proves nothing. What has expired meanwhile keeps nobody out.
    """
    if stored.access_token in (None, start.access_token, record.access_token):
        return False
    if stored.expires_at_ms is not None and stored.expires_at_ms <= now_ms:
        return False
    same_login = record.refresh_token is not None and record.refresh_token == stored.refresh_token
    logged_in_again = start.refresh_token is not None and stored.refresh_token not in (
        None,
        start.refresh_token,
    )
    return same_login or logged_in_again


def yielding(record: TokenRecord, stored: TokenRecord) -> TokenRecord:
    """Return an outrun record with the stored tokens in place of its own."""
    return record.changed(
        access_token=stored.access_token,
        expires_at_ms=stored.expires_at_ms,
        refresh_token=stored.refresh_token or record.refresh_token,
        grant_token=stored.grant_token,
    )


def fill(query: TokenRecord, found: TokenRecord) -> TokenRecord:
    """Return the complete token for a look-up: the caller's own fields stay, the rest is filled.

    An expiry belongs to its access token: beside an access token of the caller's own, the stored
    one's expiry is left out.
    """
    filled = query.filled_from(found)
    if filled.access_token == found.access_token or query.expires_at_ms is not None:
        return filled
    return TokenRecord(**{**filled.__dict__, "expires_at_ms": None})


def candidate_ids(record: TokenRecord) -> Iterator[str]:
    """Yield the ids a new row may take, in order: ten digits, derived from whom it is for.

    Two processes that insert one user at once arrive at the same id, so that one of them finds
    the row taken and updates it. The leading 9 keeps the published code going beside us: it
    numbers by the greatest text, plus one.
    """
    seed = _identity(record)
    step = 0
    while True:
        digest = hashlib.sha256(f"{step}\0{seed}".encode()).digest()
        yield str(_FIRST_ID + int.from_bytes(digest[:8]) % _IDS)
        step += 1


def _identity(record: TokenRecord) -> str:
    key = next((key for key in keys_of(record) if key.index != "id"), None) or _any_token(record)
    parts = [key.index, key.value]
    if key.index != "access_token":
        parts += [record.client_id or "", record.api_domain or ""]
    # Lengths before the texts: no two lists of parts give one seed.
    return "".join(f"{len(part)}:{part}" for part in parts)


def _any_token(record: TokenRecord) -> Key:
    tokens: list[tuple[Index, str | None]] = [
        ("refresh_token", record.refresh_token),
        ("access_token", record.access_token),
        ("grant_token", record.grant_token),
    ]
    return next(Key(index, value) for index, value in tokens if value is not None)


def _owner(record: TokenRecord) -> tuple[str | None, str | None, str | None]:
    return record.user_name, record.client_id, record.api_domain


def _holds(found: TokenRecord, key: Key) -> bool:
    return bool(getattr(found, key.index) == key.value)


def _in_scope(query: TokenRecord, found: TokenRecord) -> bool:
    return all(
        asked is None or asked == stored
        for asked, stored in (
            (query.client_id, found.client_id),
            (query.api_domain, found.api_domain),
        )
    )


def _closeness(record: TokenRecord, found: TokenRecord) -> int:
    return sum(
        mine is not None and mine == theirs
        for mine, theirs in zip(_owner(record), _owner(found), strict=True)
    )


def _latest(records: Iterable[TokenRecord]) -> TokenRecord | None:
    return max(records, key=lambda found: (found.updated_at_ms or 0, found.id or ""), default=None)
