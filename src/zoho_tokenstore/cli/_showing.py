"""What `list`, `show` and `status` print."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

import typer

from zoho_tokenstore._statuses import Status
from zoho_tokenstore._util.clock import now_ms
from zoho_tokenstore.cli._each import each
from zoho_tokenstore.cli._json import login_of, say_json, status_object
from zoho_tokenstore.cli._opening import opened
from zoho_tokenstore.cli._shared import FAILED, LOGIN_NEEDED, say
from zoho_tokenstore.cli._tables import Table
from zoho_tokenstore.cli._texts import counted, listed, masked, visible
from zoho_tokenstore.cli._times import in_words, rfc3339
from zoho_tokenstore.errors import TokenNotFoundError
from zoho_tokenstore.records import SECRET_COLUMNS, TokenRecord, UnreadableRow, is_user
from zoho_tokenstore.tokens import Tokens

_NONE: Final = "No login was found. If that is a surprise, check the URL of the store."

_ADVICE: Final = {
    "active": "nothing to do",
    "due": "renewed at next use",
    "login_needed": "log in again",
    "throttled": "wait, Zoho is asked too often",
    "failing": "wait, or try refresh",
    "unsaved": "wait, it was not saved yet",
    "overdue": "log in again",
}


def show_list(
    store: str | None,
    keys: str | None,
    user: str | None,
    client: str | None,
    limit: int | None,
    *,
    as_json: bool,
) -> None:
    """Print a line for each login that matches."""
    table = Table("ID", "USER", "CLIENT", "API DOMAIN", "EXPIRES")
    with opened(store, keys) as found:
        scan = found.repository.scan()
        count = 0
        for record in islice((one for one in scan if _is_wanted(one, user, client)), limit):
            count += 1
            if as_json:
                say_json(login_of(record))
            else:
                table.add(*_columns(record, table))
        table.end()
        if not count and not scan.unreadable:
            say(_NONE, err=True)
        report_unreadable(scan.unreadable)


def show_one(token_id: str, store: str | None, keys: str | None, *, as_json: bool) -> None:
    """Print everything about a login."""
    with opened(store, keys) as found:
        record, status = found.stored(token_id), found.tokens.status(token_id)
    secrets = {name: masked(getattr(record, name)) for name in SECRET_COLUMNS}
    if as_json:
        say_json(login_of(record) | {"secrets": secrets, "status": status_object(status)})
        return
    for name, value in (login_of(record) | secrets).items():
        _say_field(name, value)
    _say_field("scopes", " ".join(status.scopes))
    _say_field("state", f"{status.state}: {_advice(status)}")


def show_statuses(token_ids: Sequence[str], store: str | None, keys: str | None, *, as_json: bool) -> None:
    """Print a line for each of these logins, or for all."""
    with opened(store, keys) as found:
        statuses = _Statuses(found.tokens, as_json=as_json)
        scan = found.repository.scan()
        try:
            if token_ids:
                each(token_ids, statuses.add)
            else:
                statuses.add_all(record.id or "" for record in scan)
        finally:
            statuses.table.end()
        report_unreadable(scan.unreadable)
    if statuses.needs_login:
        raise typer.Exit(LOGIN_NEEDED)


class _Statuses:
    """Prints statuses, and knows whether one of them needs a login."""

    def __init__(self, tokens: Tokens, *, as_json: bool) -> None:
        self.table = Table("ID", "USER", "STATE", "EXPIRES", "WHAT TO DO")
        self.needs_login = False
        self._tokens = tokens
        self._as_json = as_json

    def add(self, token_id: str) -> None:
        status = self._tokens.status(token_id)
        self.needs_login |= status.state == "login_needed"
        if self._as_json:
            say_json(status_object(status))
            return
        expiry = _expiry(status.expires_at_ms, self.table)
        self.table.add(status.token_id, status.user_name, status.state, expiry, _advice(status))

    def add_all(self, token_ids: Iterable[str]) -> None:
        for token_id in token_ids:
            with contextlib.suppress(TokenNotFoundError):  # deleted since it was listed
                self.add(token_id)


def report_unreadable(rows: Sequence[UnreadableRow]) -> None:
    """Say which rows were left out, and exit if there are some."""
    if not rows:
        return
    say(f"{counted(len(rows), 'row')} cannot be read: {listed([row.id for row in rows])}", err=True)
    say(f"The first: {rows[0].reason}.", err=True)
    raise typer.Exit(FAILED)


def _is_wanted(record: TokenRecord, user: str | None, client: str | None) -> bool:
    return is_user(user, record.user_name) and client in (None, record.client_id)


def _columns(record: TokenRecord, table: Table) -> tuple[str | None, ...]:
    domain = record.api_domain
    if domain is not None and table.is_for_people:
        domain = domain.removeprefix("https://")
    return record.id, record.user_name, record.client_id, domain, _expiry(record.expires_at_ms, table)


def _expiry(ms: int | None, table: Table) -> str | None:
    """Return an expiry for people, or for a program that reads the table."""
    return in_words(ms, now_ms()) if table.is_for_people else rfc3339(ms)


def _say_field(name: str, value: str | None) -> None:
    say(f"{name:14} {visible(value or '-')}", is_safe=True)


def _advice(status: Status) -> str:
    said = f" ({status.error})" if status.error else ""
    return _ADVICE[status.state] + said
