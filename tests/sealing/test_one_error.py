"""Whatever does not open, the error is the same: it tells nobody how close a key or a forgery came."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from tests.sealing.support import (
    ALICE,
    BOB,
    CLIENT,
    FOREIGN,
    NEW,
    OLD,
    reads,
    repository,
    rows,
    saves,
    stored,
)
from zoho_tokenstore import (
    Event,
    EventKind,
    KeyRing,
    RepositoryStore,
    SealingError,
    TokenRepository,
    TokenStoreError,
)
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.crypto.sealing import refusal, secrets_of, with_secrets
from zoho_tokenstore.records import Row
from zoho_tokenstore.testing import make_token

pytestmark = pytest.mark.usefixtures("no_keys")

Spoil = Callable[[Row], Row]


class Case(NamedTuple):
    """Keys that a store is opened with, and what is done to the row before."""

    keys: Any
    spoil: Spoil


def untouched(row: Row) -> Row:
    return row


def each(alter: Callable[[str], str]) -> Spoil:
    """Every secret of the row altered in one way."""
    return lambda row: with_secrets(row, tuple(alter(text or "") for text in secrets_of(row)))


def of_bob(row: Row) -> Row:
    """Bob's secrets, sealed under the same key, in Alice's row."""
    backend = ListBackend()
    repository(backend, OLD).save(BOB)
    return with_secrets(row, secrets_of(rows(backend)[0]))


CASES = {
    "no key": Case(None, untouched),
    "another key": Case(KeyRing([FOREIGN]), untouched),
    "changed": Case(KeyRing([OLD]), each(lambda text: text[:-8] + "AAAA" + text[-4:])),
    "changed nonce": Case(KeyRing([OLD]), each(lambda text: text[:14] + "AAAA" + text[18:])),
    "of a key not here": Case(KeyRing([OLD]), each(lambda text: text.replace(OLD.id, FOREIGN.id))),
    "of another key": Case(KeyRing([OLD, NEW]), each(lambda text: text.replace(OLD.id, NEW.id))),
    "cut short": Case(KeyRing([OLD]), each(lambda text: text[:-20])),
    "cut to its heading": Case(KeyRing([OLD]), each(lambda text: text[:14])),
    "no base64": Case(KeyRing([OLD]), each(lambda text: text[:14] + "!" + text[14:])),
    "not ASCII": Case(KeyRing([OLD]), each(lambda text: text[:14] + "\x80" * 50)),
    "of another row": Case(KeyRing([OLD]), of_bob),
    "of another column": Case(KeyRing([OLD]), lambda row: with_secrets(row, secrets_of(row)[::-1])),
    "of another client": Case(KeyRing([OLD]), lambda row: row._replace(client_id="mallory")),
    "of another domain": Case(KeyRing([OLD]), lambda row: row._replace(api_domain=None)),
    "clear": Case(KeyRing([OLD]), each(lambda _: "1000.planted")),
    "of a later version": Case(KeyRing([OLD]), each(lambda text: text.replace("zts1", "zts2"))),
}

STORE_CALLS: dict[str, Callable[[RepositoryStore, str], object]] = {
    "find_token by name": lambda store, _: store.find_token(make_token(user_name=ALICE.user_name)),
    "find_token by grant token": lambda store, _: store.find_token(
        make_token(grant_token=ALICE.grant_token, **CLIENT)
    ),
    "find_token by access token": lambda store, _: store.find_token(
        make_token(access_token=ALICE.access_token)
    ),
    "find_token by id": lambda store, row_id: store.find_token(make_token(id=row_id)),
    "find_token_by_id": lambda store, row_id: store.find_token_by_id(row_id),
    "get_tokens": lambda store, _: store.get_tokens(),
    "save_token by name": lambda store, _: store.save_token(
        make_token(user_name=ALICE.user_name, access_token="1000.renewed")
    ),
    "save_token by id": lambda store, row_id: store.save_token(
        make_token(id=row_id, access_token="1000.renewed")
    ),
}


@pytest.fixture
def row_id(backend: Backend) -> str:
    """Seals Alice's token under the old key, alone in the store; its id."""
    return repository(backend, OLD).save(ALICE).id or ""


@pytest.fixture(params=CASES)
def keys(request: pytest.FixtureRequest, backend: Backend, row_id: str) -> Any:
    """The keys of each case in turn, after its row was spoiled."""
    case = CASES[request.param]
    row = stored(backend, row_id)
    backend.write(case.spoil(row), expect=row.etag)
    return case.keys


def check(error: BaseException, row_id: str) -> None:
    """The one type with the one text, and nothing behind it that tells more."""
    assert type(error) is SealingError
    assert str(error) == str(refusal(row_id))
    assert error.args == (str(error),)
    assert error.__cause__ is None
    assert error.__context__ is None
    assert not hasattr(error, "__notes__")
    told = "".join(traceback.format_exception(error))
    assert "During handling" not in told
    assert "InvalidTag" not in told


def test_every_read_fails_alike(backend: Backend, row_id: str, keys: Any) -> None:
    """By every look-up, for every reason: one type, one text, no cause."""
    for call in reads(ALICE, row_id).values():
        with pytest.raises(SealingError) as refused:
            call(TokenRepository(backend, keys=keys))
        check(refused.value, row_id)


def test_every_save_fails_alike(backend: Backend, row_id: str, keys: Any) -> None:
    """A save of a row that does not open fails likewise, by whatever it is meant, and changes nothing."""
    before, events = rows(backend), list[Event]()
    for record in saves(ALICE, row_id).values():
        with pytest.raises(SealingError) as refused:
            TokenRepository(backend, keys=keys, on_event=events.append).save(record)
        check(refused.value, row_id)
    assert rows(backend) == before
    assert {(event.kind, event.reason) for event in events} == {(EventKind.SAVE_FAILED, "SealingError")}


def test_every_call_of_a_store_fails_alike(backend: Backend, row_id: str, keys: Any) -> None:
    """Through the SDK's six methods it is the same error, not one of the SDK's."""
    for call in STORE_CALLS.values():
        with pytest.raises(SealingError) as refused:
            call(RepositoryStore(TokenRepository(backend, keys=keys)), row_id)
        check(refused.value, row_id)


def test_the_error_tells_what_to_do() -> None:
    """It names the row, and the command that tells more to whoever has the keys."""
    told = str(refusal("9000000001"))
    assert "'9000000001'" in told
    assert "nothing was changed" in told
    assert "zoho-tokens keys status --verify" in told
    assert isinstance(refusal("1"), TokenStoreError)
    assert not isinstance(refusal("1"), LookupError | ValueError | ConnectionError)
