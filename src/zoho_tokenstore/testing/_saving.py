"""Clauses about `save_token`: one row for one owner, and nothing lost."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from zoho_tokenstore.testing._finding import ALICE, BOB, CLIENT, OTHER_CLIENT, found, stored
from zoho_tokenstore.testing._subject import StoreSubject
from zoho_tokenstore.testing._tokens import FIELDS, Fields, fields_of, login, make_token

T = TypeVar("T")


def all_fields(store: Any) -> list[Fields]:
    """Return the fields of every stored token, in the order of their ids."""
    tokens = store.get_tokens() or ()  # what an empty store returns has a clause of its own
    return sorted(map(fields_of, tokens), key=lambda fields: str(fields["id"]))


def attempt(call: Callable[[], T]) -> tuple[T | None, str | None]:
    """Return what a call returned, or, if it was refused in whatever way, what the exception says."""
    try:
        return call(), None
    except Exception as refusal:  # noqa: BLE001  # a store may refuse by errors of its own
        return None, str(refusal)


class SavingClauses(StoreSubject):
    """A save inserts or updates, tells the id, and never loses a field or a row."""

    def test_save_sets_the_id(self, store: Any) -> None:
        """`save_token` sets the id of the passed token: without it, the SDK refreshes on every request."""
        token = make_token(**ALICE)
        store.save_token(token)
        assert isinstance(token.get_id(), str)
        assert fields_of(store.find_token_by_id(token.get_id())) == fields_of(token)

    def test_save_changes_nothing_else(self, store: Any) -> None:
        """`save_token` leaves all other fields of the passed token as they are."""
        token = make_token(access_token=ALICE["access_token"])
        store.save_token(token)
        assert fields_of(token) | {"id": None} == fields_of(make_token(access_token=ALICE["access_token"]))

    def test_save_keeps_a_copy(self, store: Any) -> None:
        """Changing the passed token after the save doesn't change the stored one."""
        token = make_token(**ALICE)
        store.save_token(token)
        saved = fields_of(token)
        token.set_access_token("1000.changed")
        token.set_refresh_token(None)
        assert fields_of(store.find_token_by_id(saved["id"])) == saved

    def test_save_reads_field_by_field(self, store: Any) -> None:
        """A token into which the SDK has merged another one is saved with its own fields.

        The SDK copies bound methods too; a copy of the object would return the other token's fields.
        """
        stored(store, BOB)
        used = make_token(client_id=ALICE["client_id"])
        used.merge_objects(used, make_token(**ALICE))
        used.set_api_domain(ALICE["api_domain"])
        store.save_token(used)
        first, again = (store.find_token_by_id(used.get_id()) for _ in range(2))
        again.set_access_token("1000.changed")
        assert fields_of(first) == dict.fromkeys(FIELDS) | ALICE | {"id": used.get_id()}

    def test_save_of_the_row_found(self, store: Any) -> None:
        """A token that a look-up returned is saved back into its row after a refresh."""
        alice, bob = stored(store, ALICE), stored(store, BOB)
        token = store.find_token_by_id(alice["id"])
        token.set_access_token("1000.renewed")
        store.save_token(token)
        assert found(store, id=alice["id"]) == alice | {"access_token": "1000.renewed"}
        assert found(store, id=bob["id"]) == bob

    @pytest.mark.parametrize(
        "fields",
        [
            ALICE,
            login("alice", user_name=None, grant_token=None),
            login("alice", user_name=None, refresh_token=None),
            {"access_token": ALICE["access_token"]},
        ],
        ids=["user_name", "refresh_token", "grant_token", "access_token"],
    )
    def test_save_never_duplicates(self, store: Any, fields: Fields) -> None:
        """Saving the same login again without its id, changed or unchanged, updates its row."""
        first = stored(store, fields)
        assert stored(store, fields) == first
        assert stored(store, fields | {"expires_in": "4102444800001"})["id"] == first["id"]
        assert all_fields(store) == [first | {"expires_in": "4102444800001"}]

    def test_save_keeps_new_credentials(self, store: Any) -> None:
        """When a user logs in again, the new tokens go into the same row."""
        alice = stored(store, ALICE)
        renewed = {"grant_token": "1000.g.2", "refresh_token": "1000.r.2", "access_token": "1000.a.2"}
        again = stored(store, ALICE | renewed)
        assert all_fields(store) == [again] == [alice | renewed]

    def test_save_learns_the_user(self, store: Any) -> None:
        """A token saved first without its user, then with it, is one row."""
        nameless = stored(store, login("alice", user_name=None))
        named = stored(store, ALICE)
        assert all_fields(store) == [named] == [nameless | {"user_name": ALICE["user_name"]}]

    @pytest.mark.parametrize("field", [name for name in FIELDS if name != "id"])
    def test_save_never_blanks(self, store: Any, field: str) -> None:
        """A field that is missing from the saved token keeps its stored value."""
        alice = stored(store, ALICE)
        store.save_token(make_token(id=alice["id"], **{**ALICE, field: None}))
        assert all_fields(store) == [alice]

    def test_save_replaces_the_login(self, store: Any) -> None:
        """A different refresh token replaces the whole login: nothing of the old one is left."""
        alice = stored(store, ALICE)
        other: Fields = {"refresh_token": "1000.other"}
        store.save_token(make_token(user_name=ALICE["user_name"], **CLIENT, **other))
        dropped = dict.fromkeys(("access_token", "grant_token", "expires_in"))
        assert all_fields(store) == [alice | other | dropped]

    def test_save_inherits_no_refresh_token(self, store: Any) -> None:
        """A login by another one-time code, without a refresh token, doesn't get the stored one.

        It may be for another account; with the old token it would turn into the old account.
        """
        alice = stored(store, ALICE)
        code = {"grant_token": "1000.g.2", "access_token": "1000.a.2"}
        store.save_token(make_token(**{**ALICE, "refresh_token": None, **code}))
        assert all_fields(store) == [alice | code | {"refresh_token": None}]

    def test_save_keeps_an_expiry_with_its_token(self, store: Any) -> None:
        """An expiry without an access token changes nothing; an access token without an expiry has none."""
        alice = stored(store, ALICE)
        store.save_token(make_token(**{**ALICE, "access_token": None, "expires_in": "4102444899999"}))
        assert all_fields(store) == [alice]
        store.save_token(make_token(**{**ALICE, "access_token": "1000.a.2", "expires_in": None}))
        assert all_fields(store) == [alice | {"access_token": "1000.a.2", "expires_in": None}]

    def test_save_joins_no_access_token_to_a_client(self, store: Any) -> None:
        """An access token without a client leaves the same user's token with a client as it was."""
        alice = stored(store, ALICE)
        only = stored(store, {"user_name": ALICE["user_name"], "access_token": "1000.only"})
        assert only["id"] != alice["id"]
        assert found(store, id=alice["id"]) == alice

    def test_save_needs_no_client(self, store: Any) -> None:
        """An access token without client and user is saved and found by its id."""
        saved = stored(store, {"access_token": "1000.access.only"})
        assert saved["id"] is not None
        assert fields_of(store.find_token_by_id(saved["id"])) == saved

    def test_save_of_many(self, store: Any) -> None:
        """Twenty-five users get twenty-five ids, and each id leads to its user."""
        saved = [stored(store, login(f"student{number}")) for number in range(25)]
        assert len({fields["id"] for fields in saved}) == 25
        assert [fields_of(store.find_token_by_id(fields["id"])) for fields in saved] == saved

    def test_save_keeps_owners_apart(self, store: Any) -> None:
        """Other users, clients and API domains get their own rows; the first row stays as it was."""
        alice = stored(store, ALICE)
        others = [
            stored(store, BOB),
            stored(store, ALICE | OTHER_CLIENT),
            stored(store, ALICE | {"api_domain": "https://sandbox.zohoapis.com"}),
        ]
        assert len({fields["id"] for fields in [alice, *others]}) == 4
        assert all_fields(store) == sorted([alice, *others], key=lambda fields: str(fields["id"]))

    def test_save_goes_by_the_id(self, store: Any) -> None:
        """A token with an id is saved under that id, no matter who else has a similar token."""
        nameless = {"access_token": "1000.shared"}
        first, second = stored(store, nameless | {"id": "1"}), stored(store, nameless | {"id": "2"})
        only_two: Fields = {"id": "2", "access_token": "1000.of.two"}
        store.save_token(make_token(**only_two))
        assert all_fields(store) == [first, second | {"access_token": "1000.of.two"}]

    def test_save_respects_the_owner_of_an_id(self, store: Any) -> None:
        """A token with the id of another user or client is refused, and that row stays as it was."""
        alice = stored(store, ALICE)
        for stranger in (BOB, ALICE | OTHER_CLIENT):
            with pytest.raises(Exception, match=r"."):
                store.save_token(make_token(**stranger, id=alice["id"]))
            assert all_fields(store) == [alice]

    @pytest.mark.parametrize("chosen", ["1", "7000000001", "alice", "a-b.c_d"])
    def test_save_keeps_a_chosen_id(self, store: Any, chosen: str) -> None:
        """An id that the caller chose is kept, and rows without one still get theirs."""
        alice = stored(store, ALICE | {"id": chosen})
        bob = stored(store, BOB)
        assert alice["id"] == chosen
        assert fields_of(store.find_token_by_id(chosen)) == alice
        assert fields_of(store.find_token_by_id(bob["id"])) == bob

    def test_save_assigns_short_ids(self, store: Any) -> None:
        """An id that the store assigns is a string of 1 to 10 characters, to fit the published column."""
        for fields in (ALICE, BOB, {"access_token": "1000.access.only"}, login("dave", user_name=None)):
            assigned = stored(store, fields)["id"]
            assert isinstance(assigned, str)
            assert 1 <= len(assigned) <= 10

    def test_save_reuses_no_id(self, store: Any) -> None:
        """The id of a deleted token is never assigned again, not even when the same user logs in again.

        Somebody may still hold it: a session that has ended must not start working again.
        """
        bob, alice = stored(store, BOB), stored(store, ALICE)
        store.delete_token(alice["id"])
        later = [stored(store, login(f"student{number}"))["id"] for number in range(5)]
        later.append(stored(store, ALICE)["id"])
        store.delete_tokens()
        later += [stored(store, fields)["id"] for fields in (ALICE, BOB)]
        assert not {alice["id"], bob["id"]} & set(later)
        assert len(set(later)) == len(later)

    def test_save_keeps_expiry_as_text(self, store: Any) -> None:
        """`expires_in` comes back as the same decimal string, and stays `None` if there is none."""
        alice = stored(store, ALICE)
        bob = stored(store, login("bob", expires_in=None))
        assert store.find_token_by_id(alice["id"]).get_expires_in() == ALICE["expires_in"]
        assert store.find_token_by_id(bob["id"]).get_expires_in() is None
        assert found(store, user_name=ALICE["user_name"]) == alice

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

    def test_save_tells_credentials_of_clients_apart(self, store: Any) -> None:
        """The same refresh token saved for two clients makes two rows."""
        first = stored(store, login("alice", user_name=None))
        second = stored(store, login("alice", user_name=None) | OTHER_CLIENT)
        assert first["id"] != second["id"]
        assert found(store, **CLIENT, refresh_token=ALICE["refresh_token"]) == first
