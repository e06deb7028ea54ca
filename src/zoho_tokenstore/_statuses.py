"""The status of a login: what an operator asks first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zoho_tokenstore.errors import TokenNotFoundError
from zoho_tokenstore.lifecycle._lifecycle import Lifecycle
from zoho_tokenstore.lifecycle._sessions import used_at_ms
from zoho_tokenstore.renewal._freshness import TokenState
from zoho_tokenstore.renewal._lease_entry import RecordedFailure

State = Literal["active", "due", "login_needed", "throttled", "failing", "unsaved", "overdue"]


@dataclass(frozen=True, kw_only=True)
class Status:
    """The status of a login.

    Arguments:
        token_id: which login.
        state: `active`; `due` for a renewal, at the next look-up; `login_needed`: Zoho refuses it, or it has
            expired and cannot be renewed; `throttled`: Zoho takes no more requests for it now; `failing`: the
            last renewal did not succeed, and is retried; `unsaved`: this process could not save it yet;
            `overdue`: it is over a limit of the session policy, and the next look-up ends it.
        user_name: the user's name.
        expires_at_ms: when its access token expires, in epoch milliseconds.
        scopes: what it may do, as far as Zoho said at the last renewal.
        began_at_ms: when the user logged in, if known.
        used_at_ms: when it was last used, as far as that is recorded.
        renewed_at_ms: when it was last renewed, if known; it is for a day.
        error: Zoho's word for the last failure (`invalid_code`), or how it failed, if it did.
        failing_since_ms: since when it has failed.
        retry_at_ms: when it is tried again.
    """

    token_id: str
    state: State
    user_name: str | None = None
    expires_at_ms: int | None = None
    scopes: tuple[str, ...] = ()
    began_at_ms: int | None = None
    used_at_ms: int | None = None
    renewed_at_ms: int | None = None
    error: str | None = None
    failing_since_ms: int | None = None
    retry_at_ms: int | None = None


def status_of(lifecycle: Lifecycle, token_id: str) -> Status:
    """Return the status of a login."""
    renewer, sessions = lifecycle.renewer, lifecycle.sessions
    record = renewer.current(token_id)
    if record is None:
        raise TokenNotFoundError(f"There is no token with the id {token_id!r}.")
    entry = renewer.entry_of(record, lifecycle.origin())
    failure, renewed = entry.failure, entry.renewed
    if any(kept.record.id == token_id for kept in renewer.pending_saves.kept):
        state: State = "unsaved"
    elif sessions is not None and sessions.is_overdue(record):
        state = "overdue"
    else:
        state = _of_failure(failure) or _of_token_state(renewer.freshness.of(record))
    return Status(
        token_id=token_id,
        state=state,
        user_name=record.user_name,
        expires_at_ms=record.expires_at_ms,
        scopes=() if renewed is None else renewed.scopes,
        began_at_ms=record.created_at_ms,
        used_at_ms=used_at_ms(record),
        renewed_at_ms=None if renewed is None else renewed.at_ms,
        error=None if failure is None else failure.code or failure.kind,
        failing_since_ms=None if failure is None else failure.since_ms,
        retry_at_ms=None if failure is None else failure.until_ms or None,
    )


def _of_failure(failure: RecordedFailure | None) -> State | None:
    match failure:
        case None:
            return None
        case RecordedFailure("rejected"):
            return "login_needed"
        case RecordedFailure("throttled"):
            return "throttled"
    return "failing"


def _of_token_state(state: TokenState) -> State:
    if state is TokenState.LOGIN_NEEDED:
        return "login_needed"
    return "active" if state is TokenState.FRESH else "due"
