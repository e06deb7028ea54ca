"""Clauses about `save_token`: one row for one owner, and nothing lost."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from zoho_tokenstore.testing._subject import StoreSubject
from zoho_tokenstore.testing.steps import (
    ALICE,
    BOB,
    CLIENT,
    FIELDS,
    OTHER_CLIENT,
    Fields,
    all_fields,
    attempt,
    by_id,
    fields_of,
    found,
    in_order,
    login,
    make_token,
    stored,
)


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
        assert by_id(store, alice["id"]) == alice | {"access_token": "1000.renewed"}
        assert by_id(store, bob["id"]) == bob

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
        stored(store, ALICE | renewed)
        assert all_fields(store) == [alice | renewed]

    def test_save_learns_the_user(self, store: Any) -> None:
        """A token saved first without its user, then found and saved with it, is one row."""
        nameless = stored(store, login("alice", user_name=None))
        named = stored(store, nameless | {"user_name": ALICE["user_name"]})
        assert all_fields(store) == [named] == [nameless | {"user_name": ALICE["user_name"]}]

    @pytest.mark.parametrize("field", [name for name in FIELDS if name not in ("id", "user_name")])
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
        """An access token saved without an expiry doesn't get that of the token before it."""
        alice = stored(store, ALICE)
        store.save_token(make_token(**{**ALICE, "access_token": "1000.a.2", "expires_in": None}))
        assert all_fields(store) == [alice | {"access_token": "1000.a.2", "expires_in": None}]

    def test_save_joins_no_access_token_to_a_client(self, store: Any) -> None:
        """An access token without a client leaves the same user's token with a client as it was."""
        alice = stored(store, ALICE)
        only = stored(store, {"user_name": ALICE["user_name"], "access_token": "1000.only"})
        assert only["id"] != alice["id"]
        assert by_id(store, alice["id"]) == alice

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
        """Other users and other clients get their own rows; the first row stays as it was."""
        alice = stored(store, ALICE)
        others = [stored(store, BOB), stored(store, ALICE | OTHER_CLIENT)]
        assert len({fields["id"] for fields in [alice, *others]}) == 3
        assert all_fields(store) == in_order([alice, *others])

    def test_save_goes_by_the_id(self, store: Any) -> None:
        """A token with an id is saved under that id, no matter who else has a similar token."""
        nameless = {"access_token": "1000.shared"}
        first, second = stored(store, nameless | {"id": "1"}), stored(store, nameless | {"id": "2"})
        only_two: Fields = {"id": "2", "access_token": "1000.of.two"}
        store.save_token(make_token(**only_two))
        assert all_fields(store) == [first, second | {"access_token": "1000.of.two"}]

    def test_save_respects_the_owner_of_an_id(self, store: Any) -> None:
        """A token with the id of another user or client leaves that row as it was."""
        alice = stored(store, ALICE)
        for stranger in (BOB, ALICE | OTHER_CLIENT):
            attempt(partial(stored, store, stranger | {"id": alice["id"]}))
            assert by_id(store, alice["id"]) == alice

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
        """The id of a deleted token is never assigned to another user: somebody may still hold it."""
        bob, alice = stored(store, BOB), stored(store, ALICE)
        store.delete_token(alice["id"])
        later = [stored(store, login(f"student{number}"))["id"] for number in range(5)]
        store.delete_tokens()
        later += [stored(store, login(f"student{number}"))["id"] for number in range(5, 8)]
        assert not {alice["id"], bob["id"]} & set(later)
        assert len(set(later)) == len(later)

    def test_save_revives_no_id(self, store: Any) -> None:
        """A user who logs in again after a log-out gets another id: a session that has ended stays so."""
        stored(store, BOB)
        alice = stored(store, ALICE)
        store.delete_token(alice["id"])
        assert stored(store, ALICE)["id"] != alice["id"]

    def test_save_twice(self, store: Any) -> None:
        """Saving a token again that the store has just saved or returned changes nothing."""
        token = make_token(**ALICE)
        store.save_token(token)
        alice = fields_of(token)
        store.save_token(token)
        store.save_token(store.find_token_by_id(alice["id"]))
        assert all_fields(store) == [alice] == [fields_of(token)]

    def test_save_keeps_expiry_as_text(self, store: Any) -> None:
        """`expires_in` comes back as the same decimal string, and stays `None` if there is none."""
        alice = stored(store, ALICE)
        bob = stored(store, login("bob", expires_in=None))
        assert store.find_token_by_id(alice["id"]).get_expires_in() == ALICE["expires_in"]
        assert store.find_token_by_id(bob["id"]).get_expires_in() is None
        assert found(store, user_name=ALICE["user_name"]) == alice
