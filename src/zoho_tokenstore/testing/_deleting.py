"""Clauses about `find_token_by_id`, `delete_token`, `get_tokens` and `delete_tokens`."""

from __future__ import annotations

from typing import Any

from zoho_tokenstore.testing._subject import StoreSubject
from zoho_tokenstore.testing.steps import (
    ALICE,
    BOB,
    OAuthToken,
    all_fields,
    assert_missing,
    attempt,
    fields_of,
    found,
    in_order,
    login,
    stored,
)


class DeletingClauses(StoreSubject):
    """Ids lead to one token, complete; deleting removes what is named and nothing else."""

    def test_by_id_gives_all_fields(self, store: Any) -> None:
        """`find_token_by_id` returns an `OAuthToken` with all ten fields."""
        stored(store, BOB)
        redirect_url = "https://portal.zylker.example/"
        alice = stored(store, login("alice", grant_token=None, redirect_url=redirect_url))
        token = store.find_token_by_id(alice["id"])
        assert isinstance(token, OAuthToken)
        assert fields_of(token) == alice

    def test_by_id_gives_fresh_tokens(self, store: Any) -> None:
        """Every call of `find_token_by_id` returns a new object: changing it changes no other."""
        alice = stored(store, ALICE)
        first, second = (store.find_token_by_id(alice["id"]) for _ in range(2))
        assert first is not second
        first.set_access_token("1000.changed")
        first.set_id(None)
        assert fields_of(second) == alice
        assert fields_of(store.find_token_by_id(alice["id"])) == alice

    def test_by_id_of_a_missing_token(self, store: Any) -> None:
        """A missing id is an `SDKException`, or `None` where the installed SDK can handle that."""
        assert_missing(store, "1")
        alice = stored(store, ALICE)
        assert_missing(store, "nobody")
        store.delete_token(alice["id"])
        assert_missing(store, str(alice["id"]))

    def test_by_id_never_guesses(self, store: Any) -> None:
        """Only the exact id finds a token: no prefix, no other spelling of its number, no column heading."""
        stored(store, ALICE | {"id": "12"})
        for other in ("1", "2", "012", "12.0", " 12", "12 ", "+12", "", "id", "%", "*"):
            assert_missing(store, other)

    def test_delete_by_id(self, store: Any) -> None:
        """`delete_token` removes the token with this id, and no other."""
        alice, bob = stored(store, ALICE), stored(store, BOB)
        store.delete_token(alice["id"])
        assert all_fields(store) == [bob]
        assert found(store, user_name=ALICE["user_name"]) is None

    def test_delete_of_a_missing_token(self, store: Any) -> None:
        """Deleting a token twice, or one that is missing, raises nothing and deletes nothing else."""
        alice, bob = stored(store, ALICE), stored(store, BOB)
        for _ in range(2):
            store.delete_token(bob["id"])
        store.delete_token("nobody")
        assert all_fields(store) == [alice]

    def test_delete_without_an_id(self, store: Any) -> None:
        """For a token that was never saved, the SDK's `remove()` passes `None`: that deletes nothing."""
        alice = stored(store, ALICE)
        _, refusal = attempt(lambda: store.delete_token(None))
        assert refusal != "", "refused without a word"
        assert all_fields(store) == [alice]

    def test_save_after_delete(self, store: Any) -> None:
        """A deleted token can be saved again, and has none of its former fields."""
        alice = stored(store, ALICE)
        store.delete_token(alice["id"])
        kept = ("user_name", "client_id", "client_secret", "refresh_token")
        again = stored(store, {name: ALICE[name] for name in kept})
        assert all_fields(store) == [again]
        assert again["access_token"] is None

    def test_delete_tokens(self, store: Any) -> None:
        """`delete_tokens` removes all tokens, if there are any, and the store keeps working."""
        store.delete_tokens()
        alice, bob = stored(store, ALICE), stored(store, BOB)
        for _ in range(2):
            store.delete_tokens()
        assert all_fields(store) == []
        assert found(store, user_name=ALICE["user_name"]) is None
        assert_missing(store, str(bob["id"]))
        again = stored(store, ALICE)
        assert all_fields(store) == [again] == [alice | {"id": again["id"]}]

    def test_deleted_tokens_stay_deleted(self, store: Any) -> None:
        """A token that still has the id of a deleted one restores nothing when it is saved late."""
        alice = stored(store, ALICE)
        held = store.find_token_by_id(alice["id"])
        store.delete_token(alice["id"])
        held.set_access_token("1000.refreshed.late")
        attempt(lambda: store.save_token(held))
        assert all_fields(store) == []
        assert_missing(store, str(alice["id"]))

    def test_get_tokens_of_an_empty_store(self, store: Any) -> None:
        """`get_tokens` of an empty store is an empty list."""
        assert store.get_tokens() == []

    def test_get_tokens_gives_all(self, store: Any) -> None:
        """`get_tokens` returns a list of all tokens as `OAuthToken` objects with all ten fields."""
        saved = [stored(store, ALICE), stored(store, BOB), stored(store, {"access_token": "1000.only"})]
        tokens = store.get_tokens()
        assert type(tokens) is list
        assert all(isinstance(token, OAuthToken) for token in tokens)
        assert all_fields(store) == in_order(saved)

    def test_get_tokens_gives_fresh_tokens(self, store: Any) -> None:
        """Changing what `get_tokens` returned, or emptying the list, doesn't change the store."""
        alice = stored(store, ALICE)
        tokens = store.get_tokens()
        tokens.pop().set_access_token("1000.changed")
        assert all_fields(store) == [alice]
