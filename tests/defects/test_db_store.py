"""The defects D1 to D12 of the SDK's `DBStore`, which needs MySQL: so they were tried there by hand."""

from __future__ import annotations

import sqlite3

import pytest

from tests.defects import tokens
from tests.defects.conftest import Case
from tests.defects.marks import ALL, FILE, defect
from tests.defects.processes import save_at_once
from tests.sqlite import published
from zoho_tokenstore.errors import TokenNotFoundError
from zoho_tokenstore.sdk._zoho import ACCEPTS_MISSING_ID, SDKException
from zoho_tokenstore.testing import INJECTIONS, fields_of, make_token

ALICE = "alice@zylker.example:60001"


@defect("D1", ALL)
def test_d1_eleventh_token(case: Case) -> None:
    """The eleventh user's token is kept, and so is the twelfth's."""
    store = case.open()
    ids = {tokens.save(store, f"user-{number}") for number in range(12)}
    assert len(ids) == 12
    assert len(store.get_tokens()) == 12


@defect("D2", ALL)
def test_d2_nothing_new(case: Case) -> None:
    """Saving what is stored already, with the id or without, raises nothing and adds nothing."""
    store = case.open()
    token_id = tokens.save(store, "alice")
    assert tokens.save(store, "alice", id=token_id) == token_id
    assert tokens.save(store, "alice") == token_id
    assert len(store.get_tokens()) == 1


@defect("D3", ALL)
def test_d3_id_before_name(case: Case) -> None:
    """A token that carries one row's id and another row's user never overwrites the user's row."""
    store = case.open()
    alices, bobs = tokens.save(store, "alice"), tokens.save(store, "bob")
    error = tokens.error_of(
        store.save_token, tokens.login("bob", id=bobs, user_name=ALICE, access_token="new")
    )
    assert error is None or bobs in str(error)
    row = tokens.by_id(store, alices)
    assert row is not None
    assert (row["refresh_token"], row["access_token"]) == ("1000.refresh.alice", "1000.access.alice")


NOBODY = {
    "nothing": {},
    "empty name": {"user_name": ""},
    "refresh token alone": {"refresh_token": "1000.refresh.alice"},
    "refresh token without secret": {"refresh_token": "1000.refresh.alice", "client_id": "1000.PORTAL"},
    "grant token without client": {"grant_token": "1000.grant.alice", "client_secret": "secret-of-portal"},
    "client alone": {"client_id": "1000.PORTAL", "client_secret": "secret-of-portal"},
}


@defect("D4", ALL)
@pytest.mark.parametrize("query", NOBODY.values(), ids=NOBODY)
def test_d4_query_that_names_nobody(case: Case, query: dict[str, str]) -> None:
    """A token that says too little to name a row is found nowhere, and that is no failure."""
    store = case.open()
    tokens.save(store, "alice")
    assert tokens.found(store, **query) is None


@defect("D4", ALL)
@pytest.mark.parametrize("name", [None, ""])
def test_d4_save_without_a_name(case: Case, name: str | None) -> None:
    """A token whose user is not known is saved, and found by its refresh token."""
    store = case.open()
    token = tokens.login("alice", user_name=name, grant_token=None)
    if name is None:
        token = make_token(**{**fields_of(token), "user_name": None})
    store.save_token(token)
    query = {"client_id": "1000.PORTAL", "client_secret": "secret-of-portal"}
    row = tokens.found(store, refresh_token="1000.refresh.alice", **query)
    assert row is not None
    assert row["id"] == token.get_id()


@defect("D5", FILE)
def test_d5_processes_that_save_the_same_users(case: Case) -> None:
    """Processes that log the same users in at once meet no error, and leave one token for each user."""
    store = case.open()
    logins = [
        [tokens.login(f"user-{number}", access_token=f"{process} {number}") for number in range(8)]
        for process in range(4)
    ]
    assert save_at_once(case, *logins) == []
    assert tokens.refresh_tokens(store) == [f"1000.refresh.user-{number}" for number in range(8)]


@defect("D6", ALL)
def test_d6_case_counts(case: Case) -> None:
    """A refresh token or a name that differs from the stored one in case alone is another one."""
    store = case.open()
    tokens.save(store, "alice", grant_token=None)
    client = {"client_id": "1000.PORTAL", "client_secret": "secret-of-portal"}
    assert tokens.found(store, refresh_token="1000.REFRESH.alice", **client) is None
    assert tokens.found(store, user_name=ALICE.upper()) is None


@defect("D6", ALL)
def test_d6_long_values(case: Case) -> None:
    """Ids of more than ten characters and tokens of more than 255 are kept whole."""
    store = case.open()
    long_id, long_token = "coordinator-of-zylker-academy", "1000." + "f" * 1000
    tokens.save(store, "alice", id=long_id, access_token=long_token)
    row = tokens.by_id(store, long_id)
    assert row is not None
    assert row["access_token"] == long_token


@defect("D7", ALL, file_store=AssertionError)
def test_d7_refresh_token_of_another_client(case: Case) -> None:
    """A refresh token finds its row only together with the client that it was issued to."""
    store = case.open()
    tokens.save(store, "alice")
    assert tokens.found(store, refresh_token="1000.refresh.alice") is None
    other = {"client_id": "1000.REPORTS", "client_secret": "secret-of-reports"}
    assert tokens.found(store, refresh_token="1000.refresh.alice", **other) is None


@defect("D10", ("SQLite", "memory"))
def test_d10_connections(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Look-ups and saves of one thread share one connection."""
    connected = []
    connect = sqlite3.connect

    def counted(*arguments: object, **options: object) -> sqlite3.Connection:
        connected.append(arguments)
        return connect(*arguments, **options)  # type: ignore[call-overload, no-any-return]

    store = case.open()
    tokens.save(store, "alice")
    monkeypatch.setattr(sqlite3, "connect", counted)
    token_id = tokens.save(store, "bob")
    for _ in range(10):
        assert store.find_token_by_id(token_id) is not None
    assert connected == []


@pytest.mark.clear
@defect("D10", FILE)
def test_d10_order_of_the_columns(case: Case) -> None:
    """A table whose columns stand in another order is read by their names."""
    names = (
        "api_domain refresh_token id user_name client_secret client_id grant_token access_token redirect_url "
        "expiry_time"
    )
    types = {"id": "varchar(10) primary key", "expiry_time": "varchar(20)"}
    shuffled = ", ".join(f"{name} {types.get(name, 'varchar(255)')}" for name in names.split())
    for path in (case.path, case.path.with_name("zohooauth.db")):
        with published.connection(path) as connection:
            connection.execute(f"CREATE TABLE oauthtoken ({shuffled})")
        published.insert(path, ALICE, tokens="alice")
    row = tokens.found(case.open(), user_name=ALICE)
    assert row is not None
    assert (row["id"], row["refresh_token"], row["client_id"]) == ("1", "refresh-alice", "1000.C")


@defect("D11", ALL, file_store=SDKException)
def test_d11_missing_ids(case: Case) -> None:
    """An id that is not there is told in one way by all stores: nothing to delete, and nothing found."""
    store = case.open()
    tokens.save(store, "alice")
    store.delete_token("404")
    if ACCEPTS_MISSING_ID:
        assert store.find_token_by_id("404") is None
    else:
        with pytest.raises(SDKException) as raised:
            store.find_token_by_id("404")
        assert isinstance(raised.value, TokenNotFoundError)
    assert len(store.get_tokens()) == 1


@defect("D12", ALL)
@pytest.mark.parametrize("text", INJECTIONS.values(), ids=INJECTIONS)
def test_d12_injection_into_a_look_up(case: Case, text: str) -> None:
    """A name, token or id that means something to SQL or CSV is that of nobody, and changes nothing."""
    store = case.open()
    tokens.save(store, "alice")
    assert tokens.found(store, user_name=text) is None
    assert tokens.found(store, access_token=text) is None
    client = {"client_id": "1000.PORTAL", "client_secret": "secret-of-portal"}
    assert tokens.found(store, refresh_token=text, **client) is None
    assert tokens.by_id(store, text) is None
    assert len(store.get_tokens()) == 1


@defect("D12", ALL)
@pytest.mark.parametrize("text", INJECTIONS.values(), ids=INJECTIONS)
def test_d12_injection_into_a_deletion(case: Case, text: str) -> None:
    """Deleting by an id that means something to SQL deletes nothing."""
    store = case.open()
    tokens.save(store, "alice")
    store.delete_token(text)
    assert len(store.get_tokens()) == 1
