"""What an observer is told, and what it is never told."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from zoho_tokenstore._saving import Fence
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.errors import (
    BackendUnavailableError,
    ConfigurationError,
    ConflictError,
    InvalidTokenError,
)
from zoho_tokenstore.events import Event, EventKind, on_behalf_of
from zoho_tokenstore.records import Row, TokenRecord
from zoho_tokenstore.repository import TokenRepository

SECRETS: dict[str, Any] = {
    "client_secret": "very-secret-1",
    "refresh_token": "very-secret-2",
    "access_token": "very-secret-3",
    "grant_token": "very-secret-4",
}
ALICE = TokenRecord(user_name="alice", client_id="portal", api_domain="https://x", **SECRETS)


class BrokenBackend(ListBackend):
    """A storage that cannot be written."""

    def write(self, row: Row, *, expect: object) -> object:
        raise BackendUnavailableError("The disk is full.")


@pytest.fixture
def seen() -> list[Event]:
    return []


@pytest.fixture
def repository(seen: list[Event]) -> Iterator[TokenRepository]:
    clock = count(1000)
    with TokenRepository(ListBackend(), on_event=seen.append, clock=lambda: next(clock)) as repository:
        yield repository


def test_a_new_token_is_created(repository: TokenRepository, seen: list[Event]) -> None:
    """The first save of a token is told with its id, user and client, place and time."""
    saved = repository.save(ALICE)
    event, login = seen
    assert (login.kind, login.token_id) == (EventKind.LOGGED_IN, saved.id)
    assert event == Event(
        kind=EventKind.CREATED,
        location="list://",
        at_ms=event.at_ms,
        token_id=saved.id,
        user_name="alice",
        client_id="portal",
    )
    assert saved.updated_at_ms is not None
    assert event.at_ms > saved.updated_at_ms


def test_a_known_token_is_updated(repository: TokenRepository, seen: list[Event]) -> None:
    """A later save of the same owner is told as an update, with what is stored."""
    saved = repository.save(ALICE)
    seen[1:] = []
    repository.save(saved.changed(redirect_url="https://portal"))
    assert [event.kind for event in seen] == [EventKind.CREATED, EventKind.UPDATED]
    assert (seen[1].token_id, seen[1].user_name, seen[1].client_id) == (saved.id, "alice", "portal")


def kinds_of(repository: TokenRepository, seen: list[Event], record: TokenRecord) -> list[str]:
    """Return what a save told."""
    seen.clear()
    repository.save(record)
    return [event.kind.value for event in seen]


def test_a_save_tells_what_it_means_for_the_login(repository: TokenRepository, seen: list[Event]) -> None:
    """A new login, one that replaced another, and a new access token are told apart; nothing else is told."""
    first = ALICE.changed(grant_token=None)
    assert kinds_of(repository, seen, first) == ["created", "logged_in"]
    login = seen[1].login
    assert kinds_of(repository, seen, first.changed(access_token="second")) == ["updated", "renewed"]
    assert seen[1].login == login is not None
    assert kinds_of(repository, seen, first.changed(access_token="second")) == ["updated"]
    other = first.changed(refresh_token="another", access_token="third")
    assert kinds_of(repository, seen, other) == ["updated", "replaced"]
    assert (seen[1].former_login, seen[1].login) == (login, seen[1].login)
    assert seen[1].login != login


def test_a_code_is_a_login_once_it_is_exchanged(repository: TokenRepository, seen: list[Event]) -> None:
    """A row that has only a one-time code is no login yet."""
    code = TokenRecord(id="1", user_name="alice", client_id="portal", grant_token="code")
    assert kinds_of(repository, seen, code) == ["created"]
    done = code.changed(refresh_token="r", access_token="a")
    assert kinds_of(repository, seen, done) == ["updated", "logged_in"]


def test_a_save_that_ends_a_renewal_tells_none(repository: TokenRepository, seen: list[Event]) -> None:
    """Whoever renews reports it: with a fence, the save does not tell it a second time."""
    saved = repository.save(ALICE)
    seen.clear()
    repository.save(saved.changed(access_token="b"), fence=Fence("very-secret-3", "very-secret-2"))
    assert [event.kind for event in seen] == [EventKind.UPDATED]


def test_who_acts_is_told(repository: TokenRepository, seen: list[Event]) -> None:
    """Every event in a block names its actor, the innermost one; outside there is none."""
    repository.save(ALICE)
    with on_behalf_of("rajesh"):
        repository.save(ALICE.changed(user_name="bob"))
        with on_behalf_of("amelia"):
            repository.clear()
        repository.clear()
    repository.clear()
    assert [event.actor for event in seen] == [None, None, "rajesh", "rajesh", "amelia", "rajesh", None]


@pytest.mark.parametrize("actor", ["", "x" * 201, None, 7, b"rajesh"])
def test_an_actor_is_a_string(actor: Any) -> None:
    """Anything else is refused at once."""
    with pytest.raises(ConfigurationError), on_behalf_of(actor):
        pass


def test_a_deleted_token_is_told_once(repository: TokenRepository, seen: list[Event]) -> None:
    """Deleting a token is told; deleting what is not there is not."""
    saved = repository.save(ALICE)
    seen.clear()
    assert repository.delete(saved.id or "") is True
    assert repository.delete(saved.id or "") is False
    assert [(event.kind, event.token_id, event.count) for event in seen] == [(EventKind.DELETED, saved.id, 1)]


def test_a_cleared_store_tells_how_many(repository: TokenRepository, seen: list[Event]) -> None:
    """Deleting everything is one event with the number of tokens, also if there were none."""
    repository.save(ALICE)
    repository.save(TokenRecord(user_name="bob", access_token="b"))
    seen.clear()
    repository.clear()
    repository.clear()
    assert [(event.kind, event.count, event.token_id) for event in seen] == [
        (EventKind.CLEARED, 2, None),
        (EventKind.CLEARED, 0, None),
    ]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (TokenRecord(), "the query names nobody"),
        (TokenRecord(id="1"), "no such id"),
        (TokenRecord(user_name="bob"), "no such user_name"),
        (TokenRecord(access_token="a"), "no such access_token"),
        (TokenRecord(client_id="c", client_secret="s", grant_token="g"), "no such grant_token"),
        (TokenRecord(client_id="c", client_secret="s", refresh_token="r"), "no such refresh_token"),
        (TokenRecord(user_name="alice", refresh_token="newer"), "other credentials are stored"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_miss_tells_why(
    repository: TokenRepository, seen: list[Event], query: TokenRecord, reason: str
) -> None:
    """A look-up that finds nothing is told with its reason."""
    repository.save(ALICE)
    seen.clear()
    assert repository.find(query) is None
    assert [(event.kind, event.reason, event.user_name) for event in seen] == [
        (EventKind.NOT_MATCHED, reason, query.user_name)
    ]


def test_a_hit_is_not_told(repository: TokenRepository, seen: list[Event]) -> None:
    """Look-ups that find something, by id or otherwise, are silent: they run before every API call."""
    saved = repository.save(ALICE)
    seen.clear()
    assert repository.find(TokenRecord(user_name="alice")) == saved
    assert repository.get(saved.id or "") == saved
    assert repository.get("nobody") is None
    assert seen == []


def test_a_failed_save_is_told_logged_and_raised(seen: list[Event], caplog: pytest.LogCaptureFixture) -> None:
    """A save that fails raises, tells the observer with the error, and is logged at ERROR.

    The SDK drops the exception: the log line may be all that is left of a spent one-time code.
    """
    repository = TokenRepository(BrokenBackend(), on_event=seen.append, clock=lambda: 7)
    with pytest.raises(BackendUnavailableError) as failure:
        repository.save(ALICE)
    (event,) = seen
    assert (event.kind, event.error, event.reason, event.at_ms) == (
        EventKind.SAVE_FAILED,
        failure.value,
        "BackendUnavailableError",
        7,
    )
    assert (event.user_name, event.client_id) == ("alice", "portal")
    (line,) = caplog.records
    assert (line.name, line.levelno) == ("zoho_tokenstore", logging.ERROR)
    assert line.getMessage() == "A token could not be saved in list://: The disk is full."


def test_a_failed_save_is_logged_without_an_observer(caplog: pytest.LogCaptureFixture) -> None:
    """The log line does not depend on `on_event`."""
    with pytest.raises(InvalidTokenError):
        TokenRepository(ListBackend()).save(TokenRecord(user_name="alice"))
    assert [line.levelno for line in caplog.records] == [logging.ERROR]


def test_a_refused_late_save_is_logged_without_an_observer(caplog: pytest.LogCaptureFixture) -> None:
    """Not everybody has an `on_event`; that a login was dropped must be seen all the same."""
    with TokenRepository(ListBackend()) as repository:
        repository.emit(EventKind.SAVE_REFUSED, TokenRecord(id="1"), reason="it was deleted")
    assert [line.levelno for line in caplog.records] == [logging.WARNING]


def test_an_observer_may_fail(caplog: pytest.LogCaptureFixture) -> None:
    """What an observer raises is logged with its traceback; the save counts, and says so."""

    def fail(event: Event) -> None:
        raise RuntimeError(f"observer failed on {event.kind}")

    repository = TokenRepository(ListBackend(), on_event=fail)
    saved = repository.save(ALICE)
    assert repository.get(saved.id or "") == saved
    line, _ = caplog.records
    assert line.levelno == logging.ERROR
    assert line.getMessage() == "The on_event observer failed on a created event."
    assert line.exc_info is not None


def test_an_observer_may_use_the_repository() -> None:
    """An observer that looks at the store, from inside the event, finds what was saved."""
    backend = ListBackend()
    found: list[list[TokenRecord]] = []
    watched = TokenRepository(backend, on_event=lambda event: found.append(list(watched.scan())))
    watched.save(ALICE)
    assert [record.user_name for record in found[0]] == ["alice"]


def test_no_event_carries_a_secret(seen: list[Event], caplog: pytest.LogCaptureFixture) -> None:
    """Whatever happens, no secret is in an event, a log line or the text of a repository or error."""
    caplog.set_level(logging.DEBUG)
    repository = TokenRepository(ListBackend(), on_event=seen.append)
    saved = repository.save(ALICE)
    repository.save(saved)
    repository.find(ALICE.changed(refresh_token="very-secret-5", id=None))
    repository.find(TokenRecord(access_token="very-secret-6"))
    with pytest.raises(ConflictError) as conflict:
        repository.save(ALICE.changed(id=saved.id, user_name="bob"))
    repository.delete(saved.id or "")
    repository.clear()
    broken = TokenRepository(BrokenBackend(), on_event=seen.append)
    with pytest.raises(BackendUnavailableError):
        broken.save(ALICE)
    assert {event.kind for event in seen} >= {
        EventKind.CREATED,
        EventKind.UPDATED,
        EventKind.NOT_MATCHED,
        EventKind.DELETED,
        EventKind.CLEARED,
        EventKind.SAVE_FAILED,
    }
    told = [
        *map(repr, seen),
        *map(str, seen),
        caplog.text,
        repr(repository),
        repr(conflict.value),
        repr(saved),
    ]
    assert "very-secret" not in "".join(told)
