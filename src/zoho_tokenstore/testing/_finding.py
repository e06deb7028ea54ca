"""Clauses about `find_token`: which stored token a partial one means."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from zoho_tokenstore.testing._subject import StoreSubject
from zoho_tokenstore.testing.steps import (
    ALICE,
    BOB,
    CLIENT,
    OTHER_CLIENT,
    attempt,
    fields_of,
    found,
    login,
    make_token,
    stored,
)


class FindingClauses(StoreSubject):
    """A token is looked up by the first key it carries, and by nothing else."""

    def test_find_fills_in_place(self, store: Any) -> None:
        """`find_token` fills in the missing fields of the passed token and returns the same object."""
        alice = stored(store, ALICE)
        query = make_token(user_name=ALICE["user_name"])
        assert store.find_token(query) is query
        assert fields_of(query) == alice

    def test_find_answers_none_on_a_miss(self, store: Any) -> None:
        """A token that isn't stored is `None`, not an exception; the passed token stays as it was."""
        stored(store, ALICE)
        query = make_token(**login("carol"))
        before = fields_of(query)
        assert store.find_token(query) is None
        assert fields_of(query) == before

    def test_find_in_an_empty_store(self, store: Any) -> None:
        """An empty store returns `None`."""
        assert found(store, user_name=ALICE["user_name"]) is None

    def test_find_by_id_alone(self, store: Any) -> None:
        """A token with only an id is filled in: the SDK's `revoke(id)` depends on it."""
        alice, bob = stored(store, ALICE), stored(store, BOB)
        assert found(store, id=alice["id"]) == alice
        assert found(store, id=bob["id"]) == bob

    def test_find_by_user_name(self, store: Any) -> None:
        """A user's name finds that user's token."""
        alice, bob = stored(store, ALICE), stored(store, BOB)
        assert found(store, user_name=ALICE["user_name"]) == alice
        assert found(store, user_name=BOB["user_name"]) == bob

    @pytest.mark.parametrize("key", ["refresh_token", "grant_token"])
    def test_find_by_credentials(self, store: Any, key: str) -> None:
        """A refresh or grant token with its client's id and secret finds the token it belongs to."""
        alice, bob = stored(store, ALICE), stored(store, BOB)
        assert found(store, **CLIENT, **{key: ALICE[key]}) == alice
        assert found(store, **CLIENT, **{key: BOB[key]}) == bob

    def test_find_by_access_token(self, store: Any) -> None:
        """An access token without client credentials finds the token it belongs to."""
        alice, bob = stored(store, ALICE), stored(store, BOB)
        assert found(store, access_token=ALICE["access_token"]) == alice
        assert found(store, access_token=BOB["access_token"]) == bob

    def test_find_needs_a_key(self, store: Any) -> None:
        """A token that names nobody finds nobody, even if only one token is stored."""
        stored(store, ALICE)
        # A store may refuse tokens without a name; that is no matter here.
        for nameless in ({"refresh_token": None, "grant_token": None}, {"access_token": None}):
            attempt(partial(stored, store, login("dave", user_name=None, **nameless)))
        for query in ({}, CLIENT, {"api_domain": ALICE["api_domain"]}):
            assert attempt(partial(found, store, **query))[0] is None

    @pytest.mark.parametrize("name", ["", None], ids=["empty", "None"])
    def test_find_ignores_an_empty_name(self, store: Any, name: str | None) -> None:
        """An empty name finds nobody, not even a token without a name."""
        stored(store, ALICE)
        stored(store, login("dave", user_name=None))
        assert attempt(partial(found, store, user_name=name))[0] is None

    @pytest.mark.parametrize("key", ["refresh_token", "grant_token", "access_token"])
    def test_find_ignores_an_empty_key(self, store: Any, key: str) -> None:
        """An empty token finds nobody, not even a row without a token of that kind."""
        stored(store, login("dave", user_name=None, **{key: None}))
        client = {} if key == "access_token" else CLIENT
        assert attempt(partial(found, store, **client, **{key: ""}))[0] is None

    def test_find_never_falls_through(self, store: Any) -> None:
        """If the first key finds nothing, no later key is tried."""
        stored(store, ALICE)
        assert found(store, user_name="nobody@zylker.example:60001") is None
        known = {**CLIENT, "refresh_token": ALICE["refresh_token"], "grant_token": ALICE["grant_token"]}
        assert found(store, user_name="nobody@zylker.example:60001", **known) is None

    @pytest.mark.parametrize("key", ["refresh_token", "grant_token"])
    def test_find_takes_no_contradiction(self, store: Any, key: str) -> None:
        """A user's name with a refresh or grant token other than the stored one finds nothing.

        So the SDK exchanges the new one, and the save that follows keeps it.
        """
        stored(store, ALICE)
        assert found(store, user_name=ALICE["user_name"], **CLIENT, **{key: "1000.newer"}) is None

    def test_find_keeps_the_callers_fields(self, store: Any) -> None:
        """A field that the passed token already has stays as the caller set it."""
        stored(store, login("alice", grant_token=None, redirect_url="https://old.zylker.example/"))
        query = make_token(user_name=ALICE["user_name"], redirect_url="https://new.zylker.example/")
        store.find_token(query)
        assert query.get_redirect_url() == "https://new.zylker.example/"

    def test_find_tells_clients_apart(self, store: Any) -> None:
        """Two OAuth clients of one user have one token each."""
        portal = stored(store, ALICE)
        tokens = {"refresh_token": "1000.r.2", "access_token": "1000.a.2", "grant_token": "1000.g.2"}
        other = stored(store, ALICE | OTHER_CLIENT | tokens)
        assert portal["id"] != other["id"]
        assert found(store, user_name=ALICE["user_name"], **CLIENT) == portal
        assert found(store, user_name=ALICE["user_name"], **OTHER_CLIENT) == other
        assert found(store, user_name=ALICE["user_name"], client_id="1000.UNKNOWN") is None

    def test_find_tells_domains_apart(self, store: Any) -> None:
        """One user in production and in the sandbox has one token per API domain."""
        sandbox_url = "https://sandbox.zohoapis.com"
        production = stored(store, ALICE)
        tokens = {"refresh_token": "1000.r.2", "access_token": "1000.a.2", "grant_token": "1000.g.2"}
        sandbox = stored(store, ALICE | tokens | {"api_domain": sandbox_url})
        assert production["id"] != sandbox["id"]
        assert found(store, user_name=ALICE["user_name"], api_domain=ALICE["api_domain"]) == production
        assert found(store, user_name=ALICE["user_name"], api_domain=sandbox_url) == sandbox
        assert found(store, user_name=ALICE["user_name"], api_domain="https://www.zohoapis.eu") is None

    @pytest.mark.parametrize("key", ["refresh_token", "grant_token"])
    def test_find_by_credentials_needs_the_client(self, store: Any, key: str) -> None:
        """A refresh or grant token finds nothing for another client, or without one."""
        stored(store, ALICE)
        assert found(store, **OTHER_CLIENT, **{key: ALICE[key]}) is None
        assert found(store, **{key: ALICE[key]}) is None

    def test_find_stores_nothing(self, store: Any) -> None:
        """A look-up changes nothing in the store, whether it finds something or not."""
        alice = stored(store, ALICE)
        found(store, user_name=ALICE["user_name"], redirect_url="https://new.zylker.example/")
        found(store, **BOB)
        assert [fields_of(token) for token in store.get_tokens()] == [alice]
