"""Which stored token is meant: the rules, as pure functions of values.

docs/explanation/matching.md explains them, with the reasons.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from zoho_tokenstore.records import TokenRecord

Index = Literal["id", "user_name", "access_token", "grant_token", "refresh_token"]

SpentCodes = Literal["self-client", "find", "refuse"]
"""Which exchanged one-time codes are kept to find their token.

``"self-client"``: those exchanged without a redirect URL, as scripts with a self client do, which
restart with the same code. ``"find"``: all. ``"refuse"``: none, and none is looked up.
"""


class Generation(Protocol):
    """The tokens stored at some moment, and that moment, if known."""

    @property
    def access_token(self) -> str | None: ...
    @property
    def refresh_token(self) -> str | None: ...
    @property
    def saved_ms(self) -> int | None: ...


@dataclass(frozen=True, repr=False)
class LookupKey:
    """One way to look a token up: the column, and the string it must hold."""

    index: Index
    value: str

    def __repr__(self) -> str:
        return f"LookupKey(index={self.index!r})"


def keys_of(record: TokenRecord, spent_codes: SpentCodes = "find") -> list[LookupKey]:
    """Return the keys a record carries, the first one deciding.

    An access token is a key only without client credentials; a grant or refresh token only with
    both of them, and a grant token only if its code may still find a row. An empty list means
    that the record names nobody.
    """
    keys: list[tuple[Index, str | None]] = [("id", record.id), ("user_name", record.user_name)]
    if record.client_id is None and record.client_secret is None:
        keys.append(("access_token", record.access_token))
    elif record.client_id is not None and record.client_secret is not None:
        grant = record.grant_token if _may_find_by_code(record, spent_codes) else None
        keys += [("grant_token", grant), ("refresh_token", record.refresh_token)]
    return [LookupKey(index, value) for index, value in keys if value is not None]


def keys_to_save(record: TokenRecord) -> list[LookupKey]:
    """Return the keys by which to look for the row that a save updates, in order.

    Besides those of a look-up, the access token: an owner's row with the very same one
    belongs to the same login, which may have no other key.
    """
    keys = keys_of(record)
    if record.access_token is not None and all(key.index != "access_token" for key in keys):
        keys.append(LookupKey("access_token", record.access_token))
    return keys


def _may_find_by_code(query: TokenRecord, spent_codes: SpentCodes) -> bool:
    """Return whether a row may be found by the query's code.

    Only programs that wrote before us keep a code that came by a redirect URL. So with
    a refresh token, which also finds the row, it does not decide.
    """
    if spent_codes == "self-client":
        return query.redirect_url is None or query.refresh_token is None
    return spent_codes == "find"


def without_spent_code(record: TokenRecord, spent_codes: SpentCodes) -> TokenRecord:
    """Return what is stored of a record: an exchanged code is dropped, unless it is to be kept."""
    is_spent = record.access_token is not None or record.refresh_token is not None
    is_kept = spent_codes == "find" or (spent_codes == "self-client" and record.redirect_url is None)
    is_dropped = is_spent and not is_kept and record.grant_token is not None
    return record.changed(grant_token=None) if is_dropped else record


def choose(query: TokenRecord, key: LookupKey, candidates: Iterable[TokenRecord]) -> TokenRecord | None:
    """Return the candidate that a look-up means, or `None`.

    `candidates` are what the store found under `key`, the first of the query's keys.
    """
    if key.index == "id":
        return next((found for found in candidates if found.id == key.value), None)
    named = [found for found in candidates if _holds(found, key) and _in_scope(query, found)]
    fitting = [found for found in named if not rotates_secret(query, found) and not contradicts(query, found)]
    return _latest([found for found in fitting if query.api_domain in (None, found.api_domain)] or fitting)


def choose_to_update(
    record: TokenRecord, key: LookupKey, candidates: Iterable[TokenRecord]
) -> TokenRecord | None:
    """Return the candidate that saving `record` updates, or `None` if none is its owner's.

    Of several, a row that holds the record's own user, client and domain comes before one that
    leaves some open.
    """
    owned = [
        found
        for found in candidates
        if _holds(found, key) and same_owner(record, found) and not _is_foreign(record, found, key)
    ]
    closest = max((_closeness(record, found) for found in owned), default=0)
    return _latest(found for found in owned if _closeness(record, found) == closest)


def _is_foreign(record: TokenRecord, found: TokenRecord, key: LookupKey) -> bool:
    """Return whether a row is another login's: a new refresh token reaches it only by user name."""
    by_name = key.index == "user_name" or None in (record.refresh_token, found.refresh_token)
    is_other = not by_name and record.refresh_token != found.refresh_token
    return is_other or is_foreign_access(record, found)


def contradicts(query: TokenRecord, found: TokenRecord) -> bool:
    """Return whether the query has credentials other than those of the row its key leads to.

    An access token alone counts: the SDK would continue with the row's, whoever's it is.
    """
    if query.refresh_token is None and query.grant_token is None and query.access_token is not None:
        return query.access_token != found.access_token
    return not is_same_login(query, found)


def is_same_login(record: TokenRecord, stored: TokenRecord, *, is_login: bool = False) -> bool:
    """Return whether a record's tokens belong to the stored login.

    A login is identified by its refresh token; a record without one, by its access token or one-time
    code. One with another access token and neither of these counts as a change to part of the stored
    login, unless it comes from somebody's logging in.
    """
    if record.refresh_token is not None:
        return record.refresh_token == stored.refresh_token
    if record.access_token is not None and record.access_token == stored.access_token:
        return True
    if record.grant_token is not None:
        return record.grant_token == stored.grant_token
    return record.access_token is None or not is_login


def is_foreign_access(record: TokenRecord, found: TokenRecord) -> bool:
    """Return whether the record is only an access token, without a client, and the row has a client.

    Nobody can tell whose login it is, and the client's refresh token is not its own.
    """
    is_alone = record.refresh_token is None and record.grant_token is None and record.client_id is None
    return is_alone and record.access_token is not None and found.client_id is not None


def can_log_in(query: TokenRecord) -> bool:
    """Return whether the query has what a login needs: a client, and its code or refresh token."""
    has_client = query.client_id is not None and query.client_secret is not None
    return query.id is None and has_client and (query.grant_token or query.refresh_token) is not None


def rotates_secret(query: TokenRecord, found: TokenRecord) -> bool:
    """Return whether the query has a new client secret for a stored refresh token.

    Then the SDK refreshes with it, and the save stores it. Without a refresh token in the query
    there is nothing to try it with: the caller's secret stays on the returned token.
    """
    return (
        query.refresh_token is not None
        and query.client_secret is not None
        and found.client_secret is not None
        and query.client_secret != found.client_secret
    )


def same_owner(record: TokenRecord, found: TokenRecord) -> bool:
    """Return whether two records can be one (user, client, API domain); a missing part fits any."""
    return all(
        mine is None or theirs is None or mine == theirs
        for mine, theirs in zip(_owner(record), _owner(found), strict=True)
    )


def same_person(record: TokenRecord, found: TokenRecord) -> bool:
    """Return whether a row named by its id can be the record's: no other user or client."""
    return (None in (record.user_name, found.user_name) or record.user_name == found.user_name) and (
        None in (record.client_id, found.client_id) or record.client_id == found.client_id
    )


def merge(
    record: TokenRecord, stored: TokenRecord, *, identified: bool = False, is_login: bool = False
) -> TokenRecord:
    """Return what a save leaves: the new fields, and the stored ones if nothing new is given.

    A login is one unit. A different one replaces the stored one with all its tokens: of those
    nothing is left. The only exception is a refresh token that the new login does not
    include, of a user whom Zoho itself named both times: then it is the same person's.

    Arguments:
        record: what is saved.
        stored: the row that it updates.
        identified: Zoho itself named the record's user in the exchange it comes from.
        is_login: the record comes from somebody's logging in, as one whose user Zoho named always does.
    """
    if is_same_login(record, stored, is_login=is_login or identified):
        return _with_expiry(record.filled_from(stored), record, stored)
    merged = with_login_of(record.filled_from(stored), record)
    if record.grant_token is not None:  # the redirect URL, or its absence, belongs to the code
        merged = merged.changed(redirect_url=record.redirect_url)
    if record.refresh_token is None and identified and is_identified_as(record, stored):
        return merged.changed(refresh_token=stored.refresh_token)
    return merged


def is_identified_as(record: TokenRecord, stored: TokenRecord) -> bool:
    """Return whether Zoho named the stored row's user, and the record has the same user and client."""
    is_same = record.user_name == stored.user_name and record.client_id == stored.client_id
    return is_same and stored.identified_at_ms is not None


def is_superseded(record: TokenRecord, stored: TokenRecord, start: Generation, now_ms: int) -> bool:
    """Return whether somebody else saved a refresh or a login since `start` was stored.

    Another login supersedes every refresh of the former one, and every late save what was to be saved
    before it. Within a login access tokens are compared, because Zoho does not rotate refresh
    tokens: an unchanged one proves nothing. What has expired meanwhile blocks nobody.
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
    if start.access_token is not None and record.access_token == start.access_token:
        return True  # it brings no token, only a new expiry
    return record.refresh_token is not None and record.refresh_token == stored.refresh_token


def fill(query: TokenRecord, found: TokenRecord) -> TokenRecord:
    """Return the complete token for a look-up: the caller's own fields stay, the rest is filled.

    A login is one unit: next to the caller's own token that is not of the stored login, none
    of that login's is filled in. And an expiry belongs to its access token.
    """
    filled = query.filled_from(found)
    is_alone = query.refresh_token is None and query.grant_token is None
    is_other = is_alone and query.access_token not in (None, found.access_token)
    if is_other or not is_same_login(query, found):
        return with_login_of(filled, query)
    return _with_expiry(filled, query, found)


def with_login_of(record: TokenRecord, login: TokenRecord) -> TokenRecord:
    """Return the record with the tokens of a login, and only those."""
    return record.changed(
        access_token=login.access_token,
        expires_at_ms=None if login.access_token is None else login.expires_at_ms,
        refresh_token=login.refresh_token,
        grant_token=login.grant_token,
    )


def _with_expiry(filled: TokenRecord, own: TokenRecord, stored: TokenRecord) -> TokenRecord:
    """Return a record filled with the stored one's fields, with the expiry of its access token."""
    if own.access_token is not None and own.access_token == stored.access_token:
        return filled
    ends = stored.expires_at_ms if own.access_token is None else own.expires_at_ms
    return filled if ends == filled.expires_at_ms else filled.changed(expires_at_ms=ends)


def _owner(record: TokenRecord) -> tuple[str | None, str | None, str | None]:
    return record.user_name, record.client_id, record.api_domain


def _holds(found: TokenRecord, key: LookupKey) -> bool:
    return bool(getattr(found, key.index) == key.value)


def _in_scope(query: TokenRecord, found: TokenRecord) -> bool:
    is_clients = query.client_id is None or query.client_id == found.client_id
    # Zoho's SDK 2 stored none, so a row without an API domain is one of any.
    return is_clients and (query.api_domain is None or found.api_domain in (None, query.api_domain))


def _closeness(record: TokenRecord, found: TokenRecord) -> int:
    return sum(
        mine is not None and mine == theirs
        for mine, theirs in zip(_owner(record), _owner(found), strict=True)
    )


def _latest(records: Iterable[TokenRecord]) -> TokenRecord | None:
    return max(records, key=lambda found: (found.updated_at_ms or 0, found.id or ""), default=None)
