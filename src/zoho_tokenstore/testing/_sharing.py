"""Clauses about several threads, and several handles on the same tokens."""

from __future__ import annotations

import threading
from typing import Any

from zoho_tokenstore.testing._subject import StoreSubject, together, until
from zoho_tokenstore.testing.steps import (
    ALICE,
    BOB,
    FIELDS,
    Fields,
    all_fields,
    assert_missing,
    by_id,
    fields_of,
    found,
    in_order,
    login,
    make_token,
    stored,
)

_THREADS = 8


class SharingClauses(StoreSubject):
    """A store may be used by any thread, and what one handle saves the others see."""

    def test_threads_may_use_a_store(self, store: Any) -> None:
        """A store created in one thread works in others, with all six methods."""

        def use(_: int) -> None:
            mine = stored(store, login("carol"))
            assert fields_of(store.find_token_by_id(mine["id"])) == mine
            assert found(store, user_name=mine["user_name"]) == mine
            assert mine in all_fields(store)
            store.delete_token(mine["id"])
            assert_missing(store, str(mine["id"]))

        for _ in range(3):  # one after the other: threads at the same time have clauses of their own
            together(1, use)
        stored(store, ALICE)
        together(1, lambda _: store.delete_tokens())
        assert all_fields(store) == []

    def test_threads_lose_no_save(self, store: Any) -> None:
        """Logins of different users saved by several threads at once are all kept, each complete."""

        def save(number: int) -> list[Fields]:
            return [stored(store, login(f"student{number}-{turn}")) for turn in range(5)]

        saved = [fields for batch in together(_THREADS, save) for fields in batch]
        assert all_fields(store) == in_order(saved)

    def test_threads_make_one_row_of_one_owner(self, store: Any) -> None:
        """One user saved by several threads at once makes one row, and every thread gets its id."""
        access = [f"1000.access.{number}" for number in range(_THREADS)]
        saved = together(_THREADS, lambda n: stored(store, ALICE | {"access_token": access[n]}))
        (row,) = all_fields(store)
        assert {fields["id"] for fields in saved} == {row["id"]}
        assert row["access_token"] in access
        assert row == dict.fromkeys(FIELDS) | ALICE | {name: row[name] for name in ("id", "access_token")}

    def test_threads_never_see_half_a_save(self, store: Any) -> None:
        """A look-up during a save returns the token from before or after it, never a mixture."""
        tokens = [
            {name: f"1000.{name}.{version}" for name in ("access_token", "grant_token", "refresh_token")}
            for version in range(2)
        ]
        alice = stored(store, ALICE | tokens[0])

        done = threading.Event()

        def save() -> None:
            for turn in range(10):
                store.save_token(make_token(**(ALICE | tokens[(turn + 1) % 2] | {"id": alice["id"]})))

        def read() -> None:
            while not done.is_set():
                assert fields_of(store.find_token_by_id(alice["id"])) in [alice | new for new in tokens]

        together(4, lambda number: until(done, save) if number == 0 else read())

    def test_handles_share_their_tokens(self, store: Any, other: Any) -> None:
        """What one handle saves, changes or deletes, another one sees at its next look-up."""
        alice = stored(store, ALICE)
        assert fields_of(other.find_token_by_id(alice["id"])) == alice
        assert found(other, user_name=ALICE["user_name"]) == alice
        stored(other, ALICE | {"access_token": "1000.renewed"})
        assert by_id(store, alice["id"]) == alice | {"access_token": "1000.renewed"}
        store.delete_token(alice["id"])
        assert_missing(other, str(alice["id"]))
        assert all_fields(other) == []

    def test_handles_delete_for_all(self, store: Any, other: Any) -> None:
        """`delete_tokens` through one handle empties the store for the other, which keeps working."""
        stored(store, ALICE)
        assert found(other, user_name=ALICE["user_name"]) is not None
        other.delete_tokens()
        assert all_fields(store) == []
        assert found(store, user_name=ALICE["user_name"]) is None
        bob = stored(store, BOB)
        assert all_fields(other) == [bob]

    def test_handles_make_one_row_of_one_owner(self, store: Any, other: Any) -> None:
        """One user saved through two handles at once makes one row; different users are all kept."""
        handles = [store, other]

        def save(number: int) -> Any:
            stored(handles[number % 2], login(f"student{number}"))
            return stored(handles[number % 2], ALICE)["id"]

        ids = together(_THREADS, save)
        assert len(set(ids)) == 1
        names = [fields["user_name"] for fields in all_fields(store)]
        assert sorted(map(str, names)) == sorted(
            str(login(who)["user_name"]) for who in ["alice", *(f"student{n}" for n in range(_THREADS))]
        )
        assert all_fields(other) == all_fields(store)

    def test_handles_respect_each_others_rows(self, store: Any, other: Any) -> None:
        """A handle that read earlier doesn't undo what another one has saved since."""
        alice = stored(store, ALICE)
        assert by_id(other, alice["id"]) == alice
        renewed = stored(store, alice | {"access_token": "1000.renewed"})
        bob = stored(store, BOB)
        carol = stored(other, login("carol"))
        assert all_fields(store) == all_fields(other) == in_order((renewed, bob, carol))
