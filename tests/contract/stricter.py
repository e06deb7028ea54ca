"""What our stores are asked for beyond the contract: the SDK needs none of it, and no harm was measured."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from zoho_tokenstore.testing import TokenStoreContract
from zoho_tokenstore.testing.steps import (
    ALICE,
    BOB,
    CLIENT,
    FIELDS,
    OTHER_CLIENT,
    all_fields,
    fields_of,
    found,
    login,
    make_token,
    stored,
)


class StricterContract(TokenStoreContract):
    """The contract, and what only we promise."""

    def test_find_prefers_the_id(self, store: Any) -> None:
        """If an id is given and not stored, nothing else is looked for."""
        stored(store, ALICE)
        assert found(store, id="nobody", user_name=ALICE["user_name"]) is None

    def test_find_answers_none_for_empty_keys(self, store: Any) -> None:
        """A token that names nobody is `None`, not an exception."""
        assert found(store) is found(store, **CLIENT) is found(store, user_name="") is None
        assert found(store, access_token="") is found(store, **CLIENT, refresh_token="") is None

    def test_find_tries_a_new_client_secret(self, store: Any) -> None:
        """A refresh token with a client secret other than the stored one finds nothing.

        So the SDK refreshes with the new secret, and the save that follows keeps it.
        """
        alice = stored(store, ALICE)
        rotated = {**CLIENT, "client_secret": "rotated", "refresh_token": ALICE["refresh_token"]}
        assert found(store, **rotated) is None
        assert found(store, **rotated, user_name=ALICE["user_name"]) is None
        assert stored(store, ALICE | rotated) == alice | rotated

    def test_save_keeps_a_name(self, store: Any) -> None:
        """A save without the user's name keeps the stored one."""
        alice = stored(store, ALICE)
        store.save_token(make_token(**{**alice, "user_name": None}))
        assert all_fields(store) == [alice]

    def test_save_keeps_no_expiry_alone(self, store: Any) -> None:
        """An expiry without an access token changes nothing."""
        alice = stored(store, ALICE)
        store.save_token(make_token(**{**ALICE, "access_token": None, "expires_in": "4102444899999"}))
        assert all_fields(store) == [alice]

    def test_save_keeps_newer_fields(self, store: Any, other: Any) -> None:
        """A save of some fields under an id leaves the others as another handle has saved them."""
        alice = stored(store, ALICE)
        assert fields_of(other.find_token_by_id(alice["id"])) == alice
        store.save_token(make_token(**(ALICE | {"refresh_token": "1000.newer"})))
        renewed = {"id": alice["id"], "access_token": "1000.renewed", "expires_in": "4102444800001"}
        other.save_token(make_token(**renewed))
        assert all_fields(store) == all_fields(other) == [alice | renewed | {"refresh_token": "1000.newer"}]

    def test_save_tells_credentials_of_clients_apart(self, store: Any) -> None:
        """The same refresh token saved for two clients makes two rows."""
        first = stored(store, login("alice", user_name=None))
        second = stored(store, login("alice", user_name=None) | OTHER_CLIENT)
        assert first["id"] != second["id"]
        assert found(store, **CLIENT, refresh_token=ALICE["refresh_token"]) == first

    def test_refused_saves_raise(self, store: Any) -> None:
        """A token with the id of another user, of another client or of a deleted token is an exception."""
        alice, bob = stored(store, ALICE), stored(store, BOB)
        store.delete_token(bob["id"])
        for refused in (BOB | {"id": alice["id"]}, ALICE | OTHER_CLIENT | {"id": alice["id"]}, bob):
            with pytest.raises(Exception, match=r"."):
                store.save_token(make_token(**refused))
        assert all_fields(store) == [alice]

    @pytest.mark.parametrize("method", ["find_token", "save_token"])
    @pytest.mark.parametrize(
        "stranger",
        [
            None,
            "1000.access.text",
            {"access_token": "1000.access.dict"},
            object(),
            SimpleNamespace(**{f"get_{name}": lambda: "1" for name in FIELDS}),
        ],
        ids=["None", "text", "dict", "object", "lookalike"],
    )
    def test_strangers_are_refused(self, store: Any, method: str, stranger: object) -> None:
        """Anything that isn't a token of the SDK is refused with an exception that has a message."""
        alice = stored(store, ALICE)
        with pytest.raises(Exception, match=r"."):
            getattr(store, method)(stranger)
        assert all_fields(store) == [alice]
