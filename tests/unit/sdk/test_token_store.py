"""The six methods, where the installed SDK decides what they may do."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from zoho_tokenstore import InMemoryStore, ListStore, RepositoryStore, SQLiteStore, TokenRepository
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.errors import (
    BackendError,
    BackendUnavailableError,
    InvalidTokenError,
    TokenNotFoundError,
)
from zoho_tokenstore.sdk import SDKTokenNotFoundError, _zoho
from zoho_tokenstore.sdk._tokens import CRM
from zoho_tokenstore.testing import fields_of, make_token
from zoho_tokenstore.testing._tokens import OAuthToken, SDKException, login, none_is_an_answer

STORES = [RepositoryStore, SQLiteStore, InMemoryStore, ListStore]


@pytest.fixture
def store() -> Iterator[ListStore]:
    with ListStore() as store:
        yield store


@pytest.mark.parametrize("kind", STORES)
def test_a_store_is_the_sdks_token_store(kind: type) -> None:
    """Every store is a `TokenStore` of the installed SDK, with no method left abstract."""
    assert issubclass(kind, _zoho.TokenStore)
    assert not inspect.isabstract(kind)


@pytest.mark.parametrize("name", sorted(_zoho.TokenStore.__abstractmethods__))
def test_methods_take_the_sdks_arguments(name: str) -> None:
    """Each of the six methods has the parameters of the SDK's interface, by the same names."""
    ours = list(inspect.signature(getattr(RepositoryStore, name)).parameters)
    assert ours == list(inspect.signature(getattr(_zoho.TokenStore, name)).parameters)


def test_the_interface_has_six_methods() -> None:
    """The installed SDK asks for the six methods that we know, and no other."""
    assert _zoho.TokenStore.__abstractmethods__ == {
        "find_token",
        "save_token",
        "delete_token",
        "get_tokens",
        "delete_tokens",
        "find_token_by_id",
    }


def test_the_answer_to_a_missing_id_suits_the_sdk() -> None:
    """Whether `None` is answered follows the installed release."""
    assert _zoho.ACCEPTS_MISSING_ID is none_is_an_answer()


def test_a_missing_id_where_none_is_no_answer(store: ListStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `None` would crash the SDK, a missing id is an `SDKException` and a `LookupError` of ours."""
    monkeypatch.setattr(CRM, "accepts_missing_id", False)
    with pytest.raises(SDKException, match="no token with the id '17'") as missing:
        store.find_token_by_id("17")
    assert isinstance(missing.value, SDKTokenNotFoundError)
    assert isinstance(missing.value, TokenNotFoundError)
    assert isinstance(missing.value, LookupError)
    assert missing.value.code == "TOKEN_STORE"


def test_a_missing_id_where_none_is_an_answer(store: ListStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the SDK goes on with the caller's own credentials, a missing id is `None`."""
    monkeypatch.setattr(CRM, "accepts_missing_id", True)
    assert store.find_token_by_id("17") is None


@pytest.mark.parametrize("token_id", [None, 17, b"17"], ids=repr)
def test_an_id_that_is_no_text_is_refused(store: ListStore, token_id: Any) -> None:
    """An id of another type is an error that names it, not a token that is missing."""
    with pytest.raises(InvalidTokenError, match="find_token_by_id needs the id of a token"):
        store.find_token_by_id(token_id)
    with pytest.raises(InvalidTokenError, match="delete_token needs the id of a token"):
        store.delete_token(token_id)


def test_the_sdks_remove_deletes_the_row(store: ListStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Saving sets the id by which the SDK's `remove()` deletes that row and no other."""
    kept, removed = make_token(**login("alice")), make_token(**login("bob"))
    store.save_token(kept)
    store.save_token(removed)
    store.delete_token(removed.get_id())
    assert [fields_of(token) for token in store.get_tokens()] == [fields_of(kept)]


@pytest.mark.skipif(
    "find_user" not in inspect.signature(OAuthToken).parameters, reason="the installed SDK has no find_user"
)
@pytest.mark.parametrize("flag", [True, False])
def test_find_keeps_find_user(store: ListStore, flag: bool) -> None:
    """`find_token` fills the caller's token and leaves its `find_user` as it was."""
    store.save_token(make_token(**login("alice")))
    query = OAuthToken(access_token="1000.access.alice", find_user=flag)
    assert store.find_token(query) is query
    assert query.get_refresh_token() == "1000.refresh.alice"
    assert vars(query)["_OAuthToken__find_user"] is flag


def test_nothing_is_put_beside_an_access_token_of_the_callers_own(store: ListStore) -> None:
    """A name with another access token alone is another login: of the stored one nothing is put."""
    token = make_token(**login("alice"))
    store.save_token(token)
    query = make_token(user_name=login("alice")["user_name"], access_token="1000.mine")
    before = fields_of(query)
    assert store.find_token(query) is None
    assert fields_of(query) == before


def test_a_refused_save_leaves_the_token_alone(store: ListStore) -> None:
    """A save that fails sets no id: the token does not look saved."""
    token = make_token(user_name="alice")
    with pytest.raises(InvalidTokenError):
        store.save_token(token)
    assert token.get_id() is None


CALLS: dict[str, Callable[[Any, Any], object]] = {
    "find_token": lambda store, token: store.find_token(make_token(id=token.get_id())),
    "save_token": lambda store, token: store.save_token(token),
    "delete_token": lambda store, token: store.delete_token(token.get_id()),
    "get_tokens": lambda store, token: store.get_tokens(),
    "delete_tokens": lambda store, token: store.delete_tokens(),
    "find_token_by_id": lambda store, token: store.find_token_by_id(token.get_id()),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_closed_store_answers_nothing(store: ListStore, call: Callable[[Any, Any], object]) -> None:
    """After `close` each of the six methods raises a `BackendError`."""
    token = make_token(**login("alice"))
    store.save_token(token)
    store.close()
    with pytest.raises(BackendError, match="closed"):
        call(store, token)


def test_a_closed_store_does_not_serve_what_it_could_not_save() -> None:
    """After `close`, a token whose save failed is not found in memory: every later call raises."""
    store = RepositoryStore(TokenRepository(ListBackend()))
    token = make_token(**login("alice"))
    store.save_token(token)
    store.close()
    with pytest.raises(BackendError, match="closed"):
        store.save_token(token)
    with pytest.raises(BackendError, match="closed"):
        store.find_token_by_id(token.get_id())


def test_deleting_forgets_a_token_that_could_not_be_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that waits to be saved is not saved after it was deleted."""
    backend = ListBackend()
    store = RepositoryStore(TokenRepository(backend))
    token = make_token(**login("alice"))
    store.save_token(token)
    with monkeypatch.context() as broken:
        broken.setattr(backend, "write", lambda row, *, expect: _fail())
        with pytest.raises(BackendUnavailableError):
            store.save_token(token)
    store.delete_token(token.get_id())
    assert store.get_tokens() == []
    assert store.find_token(make_token(id=token.get_id())) is None
    assert store.get_tokens() == []


def _fail() -> None:
    raise BackendUnavailableError("The storage cannot be written.")


def test_every_look_up_gives_the_expiry_by_this_hosts_clock(store: ListStore) -> None:
    """As soon as it is known how far that is off; also of a token that has been looked up before."""
    ada = login("ada")
    token = make_token(**ada)
    store.save_token(token)
    for _ in range(3):
        assert store.find_token_by_id(token.get_id()).get_expires_in() == ada["expires_in"]
    assert store._renewer is not None
    store._renewer.skew.offset_ms = 600_000
    found = [
        store.find_token_by_id(token.get_id()),
        store.find_token(make_token(user_name=ada["user_name"])),
        *store.get_tokens(),
    ]
    assert [one.get_expires_in() for one in found] == [str(int(ada["expires_in"] or 0) - 600_000)] * 3
