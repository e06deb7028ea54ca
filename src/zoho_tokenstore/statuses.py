"""How a login is doing: what an operator asks first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zoho_tokenstore.errors import TokenNotFoundError
from zoho_tokenstore.renewal.entries import Failure
from zoho_tokenstore.renewal.needs import Need
from zoho_tokenstore.renewal.renewer import Renewer

State = Literal["active", "due", "login_needed", "throttled", "failing", "unsaved"]


@dataclass(frozen=True, kw_only=True)
class Status:
    """How a login is doing.

    Arguments:
        token_id: which login.
        state: `active`; `due` for a renewal, at the next look-up; `login_needed`: Zoho refuses it, or it has
            expired and cannot be renewed; `throttled`: Zoho takes no more requests for it now; `failing`: the
            last renewal did not succeed, and is tried again; `unsaved`: this process could not save it yet.
        user_name: whose it is.
        expires_at_ms: when its access token ends, in epoch milliseconds.
        scopes: what it may do, as far as Zoho has said at the last renewal.
        renewed_at_ms: when it was last renewed, if that is known; it is for a day.
        error: Zoho's word for the last failure (`invalid_code`), or how it failed, if it failed.
        failing_since_ms: since when it has failed.
        retry_at_ms: when it is tried again.
    """

    token_id: str
    state: State
    user_name: str | None = None
    expires_at_ms: int | None = None
    scopes: tuple[str, ...] = ()
    renewed_at_ms: int | None = None
    error: str | None = None
    failing_since_ms: int | None = None
    retry_at_ms: int | None = None


def status_of(renewer: Renewer, token_id: str) -> Status:
    """Return how a login is doing."""
    record = renewer.current(token_id)
    if record is None:
        raise TokenNotFoundError(f"There is no token with the id {token_id!r}.")
    entry = renewer.entry_of(record)
    failure, renewed = entry.failure, entry.renewed
    if any(kept.record.id == token_id for kept in renewer.late.kept):
        state: State = "unsaved"
    else:
        state = _of_failure(failure) or _of_need(renewer.needs.of(record))
    return Status(
        token_id=token_id,
        state=state,
        user_name=record.user_name,
        expires_at_ms=record.expires_at_ms,
        scopes=() if renewed is None else renewed.scopes,
        renewed_at_ms=None if renewed is None else renewed.at_ms,
        error=None if failure is None else failure.code or failure.kind,
        failing_since_ms=None if failure is None else failure.since_ms,
        retry_at_ms=None if failure is None else failure.until_ms or None,
    )


def _of_failure(failure: Failure | None) -> State | None:
    match failure:
        case None:
            return None
        case Failure("rejected"):
            return "login_needed"
        case Failure("throttled"):
            return "throttled"
    return "failing"


def _of_need(need: Need) -> State:
    if need is Need.LOGIN:
        return "login_needed"
    return "active" if need is Need.NOTHING else "due"
