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

SpentCodes = Literal["self-client", "find", "refuse"]
"""What is kept of one-time codes that have been exchanged, to find their token by.

``"self-client"``: those exchanged without a redirect URL, as scripts with a self client do, which
restart with the same code. ``"find"``: all. ``"refuse"``: none, and none is looked up.
"""

_FIRST_ID: Final = 900_000_000
_IDS: Final = 90_000_000


class Generation(Protocol):
    """The tokens that were stored at some moment, and that moment, where it is known."""

    @property
    def access_token(self) -> str | None: ...
    @property
    def refresh_token(self) -> str | None: ...
    @property
    def saved_ms(self) -> int | None: ...


@dataclass(frozen=True, repr=False)
class Key:
    """One way to look a token up: the column, and the text that must stand there."""

    index: Index
    value: str

    def __repr__(self) -> str:
        return f"Key(index={self.index!r})"


def keys_of(record: TokenRecord, spent_codes: SpentCodes = "find") -> list[Key]:
    """Return the keys a record carries, the first one deciding.

    An access token is a key only without client credentials; a grant or refresh token only with
    both of them, and a grant token only where its code may still find a row. An empty list means
    that the record names nobody.
    """
    keys: list[tuple[Index, str | None]] = [("id", record.id), ("user_name", record.user_name)]
    if record.client_id is None and record.client_secret is None:
        keys.append(("access_token", record.access_token))
    elif record.client_id is not None and record.client_secret is not None:
        grant = record.grant_token if _may_find_by_code(record, spent_codes) else None
        keys += [("grant_token", grant), ("refresh_token", record.refresh_token)]
    return [Key(index, value) for index, value in keys if value is not None]


def keys_to_save(record: TokenRecord) -> list[Key]:
    """Return the keys by which the row that a save updates is looked for, one after the other.

    Besides those of a look-up, the access token: an owner's row that holds the very same one is
    that of the same login, which may have no other key.
    """
    keys = keys_of(record)
    if record.access_token is not None and all(key.index != "access_token" for key in keys):
        keys.append(Key("access_token", record.access_token))
    return keys


def _may_find_by_code(query: TokenRecord, spent_codes: SpentCodes) -> bool:
    """Tell whether a row may be found by the query's code.

    A code that came by a redirect URL is kept by nobody but programs that wrote before us. So beside
    a refresh token, which finds the row as well, it does not decide.
    """
    if spent_codes == "self-client":
        return query.redirect_url is None or query.refresh_token is None
    return spent_codes == "find"


def without_spent_code(record: TokenRecord, spent_codes: SpentCodes) -> TokenRecord:
    """Return what is stored of a record: a code that was exchanged goes, unless it is to be kept."""
    is_spent = record.access_token is not None or record.refresh_token is not None
    is_kept = spent_codes == "find" or (spent_codes == "self-client" and record.redirect_url is None)
    return record if is_kept or not is_spent else record.changed(grant_token=None)


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
        found for found in named if not rotates_secret(query, found) and not contradicts(query, found)
    )


def choose_to_update(record: TokenRecord, key: Key, candidates: Iterable[TokenRecord]) -> TokenRecord | None:
    """Return the candidate that saving `record` updates, or `None` if none of them is its owner's.

    Of several, a row that holds the record's own user, client and domain comes before one that
    leaves some of them open.
    """
    owned = [
        found
        for found in candidates
        if _holds(found, key) and same_owner(record, found) and not _is_foreign(record, found, key)
    ]
    closest = max((_closeness(record, found) for found in owned), default=0)
    return _latest(found for found in owned if _closeness(record, found) == closest)


def _is_foreign(record: TokenRecord, found: TokenRecord, key: Key) -> bool:
    """Tell whether a row is another login's: only by the user's name may a new refresh token come to it."""
    by_name = key.index == "user_name" or None in (record.refresh_token, found.refresh_token)
    is_other = not by_name and record.refresh_token != found.refresh_token
    return is_other or is_foreign_access(record, found)


def contradicts(query: TokenRecord, found: TokenRecord) -> bool:
    """Tell whether the query brings credentials that are not those of the row that its key leads to.

    An access token alone, too: the SDK would go on with the row's, as whoever that is.
    """
    if query.refresh_token is None and query.grant_token is None and query.access_token is not None:
        return query.access_token != found.access_token
    return not is_same_login(query, found)


def is_same_login(record: TokenRecord, stored: TokenRecord, *, identified: bool = False) -> bool:
    """Tell whether a record's tokens belong to the stored login.

    A login is known by its refresh token; a record without one, by its access token or its one-time
    code. One that brings another access token and neither of these is taken for a part of the stored
    login, what has changed of it: unless Zoho named its user just now, as it does for a new login.
    """
    if record.refresh_token is not None:
        return record.refresh_token == stored.refresh_token
    if record.access_token is not None and record.access_token == stored.access_token:
        return True
    if record.grant_token is not None:
        return record.grant_token == stored.grant_token
    return record.access_token is None or not identified


def is_foreign_access(record: TokenRecord, found: TokenRecord) -> bool:
    """Tell whether the record is an access token alone, of no client, and the row is a client's.

    Nobody can tell whose login such a token is of, and the client's refresh token is not its own.
    """
    is_alone = record.refresh_token is None and record.grant_token is None and record.client_id is None
    return is_alone and record.access_token is not None and found.client_id is not None


def can_log_in(query: TokenRecord) -> bool:
    """Tell whether the query brings what a login needs: a client, and a code or refresh token of it."""
    has_client = query.client_id is not None and query.client_secret is not None
    return query.id is None and has_client and (query.grant_token or query.refresh_token) is not None


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


def merge(record: TokenRecord, stored: TokenRecord, *, identified: bool = False) -> TokenRecord:
    """Return what a save leaves: the new fields, and the stored ones where nothing new is given.

    A login is one unit. Another one takes the place of the stored one with all its tokens: of those
    nothing is left beside it. The only exception is a refresh token that the new login does not
    bring, of a user whom Zoho itself named both times: then it is the same person's.

    Arguments:
        record: what is saved.
        stored: the row that it updates.
        identified: Zoho itself named the record's user in the exchange that it comes from.
    """
    if is_same_login(record, stored, identified=identified):
        return _with_expiry(record.filled_from(stored), record, stored)
    merged = _of_login(record.filled_from(stored), record)
    if record.grant_token is not None:  # the redirect URL, or that there was none, is the code's
        merged = merged.changed(redirect_url=record.redirect_url)
    if record.refresh_token is None and identified and is_identified_as(record, stored):
        return merged.changed(refresh_token=stored.refresh_token)
    return merged


def still_identified_at_ms(saved: TokenRecord, stored: TokenRecord | None) -> int | None:
    """Return when Zoho named the user of what is saved, if the stored login is still the same."""
    if stored is None or saved.user_name != stored.user_name or not is_same_login(saved, stored):
        return None
    return stored.identified_at_ms


def is_identified_as(record: TokenRecord, stored: TokenRecord) -> bool:
    """Tell whether Zoho named the stored row's user, and the record's is the same one, of one client."""
    is_same = record.user_name == stored.user_name and record.client_id == stored.client_id
    return is_same and stored.identified_at_ms is not None


def is_outrun(record: TokenRecord, stored: TokenRecord, start: Generation, now_ms: int) -> bool:
    """Tell whether somebody else saved a refresh or a login since `start` was what is stored.

    Another login outruns every refresh of the former one, and every late save what was to be saved
    before it. Within a login access tokens are compared, because Zoho does not rotate refresh
    tokens: an unchanged one proves nothing. What has expired meanwhile keeps nobody out.
    """
    if stored.access_token is not None and stored.access_token == record.access_token:
        return False
    if start.saved_ms is not None and (stored.updated_at_ms or 0) > start.saved_ms:
        return True
    if start.refresh_token is not None and stored.refresh_token != start.refresh_token:
        return True
    if stored.access_token in (None, start.access_token):
        return False
    if stored.expires_at_ms is not None and stored.expires_at_ms <= now_ms:
        return False
    return record.refresh_token is not None and record.refresh_token == stored.refresh_token


def yielding(record: TokenRecord, stored: TokenRecord) -> TokenRecord:
    """Return an outrun record with the stored login in place of its own."""
    return _of_login(record, stored)


def fill(query: TokenRecord, found: TokenRecord) -> TokenRecord:
    """Return the complete token for a look-up: the caller's own fields stay, the rest is filled.

    A login is one unit: beside a token of the caller's own that is not of the stored login, none
    of that login's is filled in. And an expiry belongs to its access token.
    """
    filled = query.filled_from(found)
    is_alone = query.refresh_token is None and query.grant_token is None
    is_other = is_alone and query.access_token not in (None, found.access_token)
    if is_other or not is_same_login(query, found):
        return _of_login(filled, query)
    return _with_expiry(filled, query, found)


def _of_login(record: TokenRecord, login: TokenRecord) -> TokenRecord:
    """Return the record with the tokens of a login, and none but those."""
    return record.changed(
        access_token=login.access_token,
        expires_at_ms=None if login.access_token is None else login.expires_at_ms,
        refresh_token=login.refresh_token,
        grant_token=login.grant_token,
    )


def _with_expiry(filled: TokenRecord, own: TokenRecord, stored: TokenRecord) -> TokenRecord:
    """Return a record that was filled with the stored one's fields, with the expiry of its access token."""
    if own.access_token is None:
        return filled.changed(expires_at_ms=stored.expires_at_ms)
    if own.access_token != stored.access_token:
        return filled.changed(expires_at_ms=own.expires_at_ms)
    return filled


def candidate_ids(record: TokenRecord, hour: int) -> Iterator[str]:
    """Yield the ids a new row may take, in order: nine digits, derived from whom it is for.

    Two processes that insert one user at once arrive at the same id, so that one of them finds
    the row taken and updates it. The leading 9 keeps the published code going beside us: it
    numbers by the greatest text, plus one. Nine digits, because some of Zoho's SDKs read ids as
    32-bit numbers.

    Arguments:
        record: the token.
        hour: the number of this hour. All ids but the first depend on it: who logs out and in again every
            hour finds a free one at once, however many of his former ids are retired.
    """
    seed = _identity(record)
    yield _id(f"0\0{seed}")
    step = 1
    while True:
        yield _id(f"{step}\0{hour}\0{seed}")
        step += 1


def _id(seed: str) -> str:
    return str(_FIRST_ID + int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8]) % _IDS)


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
