"""Checks of the rows themselves: whether each can be read, and is what a row of ours is."""

from __future__ import annotations

from typing import Final

from zoho_tokenstore.doctor._checks import row_check
from zoho_tokenstore.doctor._findings import Severity
from zoho_tokenstore.doctor._subject import Login, Subject
from zoho_tokenstore.records import TokenRecord, UnreadableRow
from zoho_tokenstore.renewal import _addresses as addresses
from zoho_tokenstore.renewal import _datacenters as datacenters

_AHEAD_MS: Final = 30_000


@row_check(
    "rows-unreadable",
    Severity.ERROR,
    "{rows} cannot be read, as something else wrote there. These users cannot log in.",
    "Correct or delete them with the storage's own tools; the store's page shows what a row looks like.",
)
def rows_unreadable(login: Login, _: Subject) -> str | None:
    """What is stored is not a row."""
    return login.found.reason if isinstance(login.found, UnreadableRow) else None


@row_check(
    "rows-do-not-fit",
    Severity.WARNING,
    "{rows} not as this store writes them: they are renewed too early, cannot be renewed, or are not found.",
    "Let these users log in again, which writes their rows anew.",
)
def rows_do_not_fit(login: Login, _: Subject) -> str | None:
    """A row can be read, but something about it is not right."""
    record = login.record
    if record is None or isinstance(login.found, UnreadableRow):
        return None
    if not record.id:
        return "its id is empty"
    if record.expires_at_ms == 0 and login.found.expiry_time != "0":  # so it is read, if it is none
        return "its expiry is not a number of milliseconds"
    if not login.is_found_by_its_tokens:
        return "its digests do not lead to it"
    if record.refresh_token and not (record.client_id and record.client_secret):
        return "it has a refresh token and no client"
    if not (record.refresh_token or record.access_token or record.grant_token):
        return "it has no token"
    return None


@row_check(
    "duplicate-owner",
    Severity.WARNING,
    "{rows} of an owner who has another one: the same user name, client and API domain. A look-up by name "
    "finds the one that was saved last.",
    "Delete the one that is not used: zoho-tokens delete ID",
)
def duplicate_owner(login: Login, subject: Subject) -> str | None:
    """Two rows are of the same user, client and API domain: which one is found is a matter of chance."""
    record = login.record
    if record is None or not record.user_name:
        return None
    owner = hash((record.user_name, record.client_id, record.api_domain))
    first = subject.owners.setdefault(owner, login.id)
    return None if first == login.id else f"same owner as {first}"


@row_check(
    "future-times",
    Severity.WARNING,
    "{rows} saved in the future by this host's clock: it is behind, or that of another host is ahead.",
    "timedatectl set-ntp true, on the host whose clock is wrong",
)
def future_times(login: Login, subject: Subject) -> str | None:
    """A row was saved later than now."""
    times = () if login.record is None else (login.record.created_at_ms, login.record.updated_at_ms)
    ahead = max((at for at in times if at), default=0) - subject.now_ms
    return f"{ahead // 1000:,} s ahead" if ahead > _AHEAD_MS else None


@row_check(
    "unknown-api-domain",
    Severity.WARNING,
    "{rows} with an API domain that is none of Zoho's: nobody knows where to renew them, unless the program "
    "passes accounts_url=.",
    "Correct api_domain, for example to https://www.zohoapis.eu; or let these users log in again.",
)
def unknown_api_domain(login: Login, _: Subject) -> str | None:
    """The API domain of a row belongs to no data centre; a local Zoho's is fine."""
    record = login.record
    if record is None or not record.refresh_token:
        return None
    domain = record.api_domain
    if not domain:
        return "it has none"
    return None if datacenters.of_api_domain(domain) or _is_local(record) else domain[:80]


def _is_local(record: TokenRecord) -> bool:
    domain = record.api_domain or ""
    return domain.startswith("http://") and addresses.origin_of(domain) is not None
