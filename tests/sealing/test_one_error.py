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
    box_of,
    reads,
    repository,
    rows,
    saves,
    secrets_of,
    stored,
    with_secrets,
)
from zoho_tokenstore import (
    Event,
    EventKind,
    Keyset,
    RepositoryStore,
    SealingError,
    TokenRepository,
    TokenStoreError,
)
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.records import Row
from zoho_tokenstore.sdk import SDKSealingError
from zoho_tokenstore.sealing._cipher import refusal
from zoho_tokenstore.testing import make_token

pytestmark = pytest.mark.usefixtures("no_keys")

Spoil = Callable[[Row], Row]


class Case(NamedTuple):
    """Keys that a store is opened with, and what is done to the row before."""

    keys: Any
    spoil: Spoil


def untouched(row: Row) -> Row:
    return row


def box(alter: Callable[[str], str]) -> Spoil:
    """The box altered in one way."""
    return lambda row: row._replace(client_secret=alter(box_of(row)))


def of_bob(row: Row) -> Row:
    """Bob's box, sealed under the same key, in Alice's row."""
    backend = ListBackend()
    repository(backend, OLD).save(BOB)
    return row._replace(client_secret=rows(backend)[0].client_secret)


CASES = {
    "no key": Case(None, untouched),
    "another key": Case(Keyset([FOREIGN]), untouched),
    "changed": Case(Keyset([OLD]), box(lambda text: text[:-8] + "AAAA" + text[-4:])),
    "changed nonce": Case(Keyset([OLD]), box(lambda text: text[:14] + "AAAA" + text[18:])),
    "of a key not here": Case(Keyset([OLD]), box(lambda text: text.replace(OLD.id, FOREIGN.id))),
    "of another key": Case(Keyset([OLD, NEW]), box(lambda text: text.replace(OLD.id, NEW.id))),
    "cut short": Case(Keyset([OLD]), box(lambda text: text[:-20])),
    "cut to its heading": Case(Keyset([OLD]), box(lambda text: text[:14])),
    "no base64": Case(Keyset([OLD]), box(lambda text: text[:14] + "!" + text[14:])),
    "not ASCII": Case(Keyset([OLD]), box(lambda text: text[:14] + "\x80" * 50)),
    "of another row": Case(Keyset([OLD]), of_bob),
    "in another column": Case(Keyset([OLD]), lambda row: with_secrets(row, secrets_of(row)[::-1])),
    "in two columns": Case(Keyset([OLD]), lambda row: row._replace(access_token=row.client_secret)),
    "without its box": Case(Keyset([OLD]), lambda row: row._replace(client_secret=None)),
    "of another expiry": Case(Keyset([OLD]), lambda row: row._replace(expiry_time="x")),
    "of another URL": Case(Keyset([OLD]), lambda row: row._replace(redirect_url="https://mallory.example")),
    "of another client": Case(Keyset([OLD]), lambda row: row._replace(client_id="mallory")),
    "of another domain": Case(Keyset([OLD]), lambda row: row._replace(api_domain=None)),
    "clear": Case(Keyset([OLD]), lambda row: with_secrets(row, (None, None, "1000.planted", None))),
    "clear beside its box": Case(Keyset([OLD]), lambda row: row._replace(access_token="1000.planted")),
    "of a later version": Case(Keyset([OLD]), box(lambda text: text.replace("zts1", "zts2"))),
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


def check(error: BaseException, row_id: str, kind: type[SealingError] = SealingError) -> None:
    """The one type with the one text, and nothing behind it that tells more."""
    assert type(error) is kind
    assert str(error) == str(refusal(row_id))
    assert error.args == (str(error),)
    assert error.__cause__ is None
    if kind is SealingError:
        assert error.__context__ is None
    else:
        check(error.__context__ or error, row_id)
    assert not hasattr(error, "__notes__")
    told = "".join(traceback.format_exception(error))
    assert "During handling" not in told
    assert "InvalidTag" not in told


LOGS_IN = ("find by grant_token", "find by refresh_token", "find_token by grant token")
"""Look-ups that bring what a login needs: for a single row that does not open the answer is that none is."""


def test_every_read_fails_alike(backend: Backend, row_id: str, keys: Any) -> None:
    """By every look-up, for every reason: one type, one text, no cause."""
    for name, call in reads(ALICE, row_id).items():
        tokens = TokenRepository(backend, keys=keys)
        try:
            assert call(tokens) is None
        except SealingError as error:
            check(error, row_id)
        else:
            assert name in LOGS_IN
        assert list(tokens.scan()) == []


def test_every_save_fails_alike(backend: Backend, row_id: str, keys: Any) -> None:
    """A save of a row that does not open fails likewise, or is a row of its own; the first one stays."""
    before = stored(backend, row_id)
    for name, record in saves(ALICE, row_id).items():
        events = list[Event]()
        tokens = TokenRepository(backend, keys=keys, on_event=events.append)
        try:
            saved = tokens.save(record)
        except SealingError as error:
            check(error, row_id)
            assert (events[-1].kind, events[-1].reason) == (EventKind.SAVE_FAILED, "SealingError")
        else:
            assert name != "by id"
            assert saved.id not in (None, row_id)
            tokens.delete(saved.id or "")
        assert rows(backend) == [before]


def test_every_call_of_a_store_fails_alike(backend: Backend, row_id: str, keys: Any) -> None:
    """Through the SDK's methods it is the same error, which is one of the SDK's as well."""
    for name, call in STORE_CALLS.items():
        store = RepositoryStore(TokenRepository(backend, keys=keys))
        try:
            assert call(store, row_id) is None
        except SealingError as error:
            check(error, row_id, SDKSealingError)
        else:
            assert name in LOGS_IN
        assert store.get_tokens() == []


def test_the_error_tells_what_to_do() -> None:
    """It names the row, and the command that tells more to whoever has the keys."""
    told = str(refusal("9000000001"))
    assert "'9000000001'" in told
    assert "nothing was changed" in told
    assert "zoho-tokens keys status --verify" in told
    assert isinstance(refusal("1"), TokenStoreError)
    assert not isinstance(refusal("1"), LookupError | ValueError | ConnectionError)
