"""Clauses about processes that work on the same tokens at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Final

from zoho_tokenstore.testing._abilities import Ability
from zoho_tokenstore.testing._children import Child, in_processes
from zoho_tokenstore.testing._subject import StoreSubject
from zoho_tokenstore.testing.steps import (
    ALICE,
    BOB,
    FIELDS,
    Fields,
    all_fields,
    assert_missing,
    attempt,
    by_id,
    in_order,
    login,
    make_token,
    stored,
)

_PROCESSES: Final = 3
_SAVES: Final = 10
_TURNS: Final = 40


def log_in_users(store: Any, number: int) -> Iterator[list[Fields]]:
    """Save some users, and yield their fields."""
    yield [stored(store, login(f"student{number}-{turn}")) for turn in range(_SAVES)]


def log_in_alice(store: Any, number: int) -> Iterator[set[str]]:
    """Save one user several times, and yield the ids."""
    yield {stored(store, ALICE | {"access_token": f"1000.a.{number}.{turn}"})["id"] for turn in range(3)}


def save_in_turn(store: Any, versions: list[Fields]) -> Iterator[None]:
    """Save versions of one token many times."""
    for turn in range(_TURNS):
        store.save_token(make_token(**versions[turn % 2]))
    yield None


def look_up(store: Any, token_id: str) -> Iterator[Fields | None]:
    """Yield the fields of a token, or `None` where there is none."""
    yield attempt(lambda: by_id(store, token_id))[0]


def delete(store: Any, token_id: str) -> Iterator[None]:
    """Delete a token."""
    store.delete_token(token_id)
    yield None


class ProcessClauses(StoreSubject):
    """What one process saves or deletes, the others see, and none undoes what another does meanwhile."""

    def work_shared(self, folder: Path) -> Callable[[], Any]:
        """Return what opens the store elsewhere, if several processes may use it."""
        self.need(Ability.PERSISTENT, Ability.SHARED)
        return self.opener(folder)

    def test_processes_lose_no_save(self, store: Any, tmp_path: Path) -> None:
        """Users whom several processes log in at the same time are all kept, each complete."""
        saved = in_processes(self.work_shared(tmp_path), _PROCESSES, log_in_users)
        assert all_fields(store) == in_order(chain(*saved))

    def test_processes_make_one_row_of_one_owner(self, store: Any, tmp_path: Path) -> None:
        """One user saved by several processes at the same time makes one row, and all get its id."""
        ids = in_processes(self.work_shared(tmp_path), _PROCESSES, log_in_alice)
        (row,) = all_fields(store)
        assert set(chain(*ids)) == {row["id"]}
        assert row == dict.fromkeys(FIELDS) | ALICE | {name: row[name] for name in ("id", "access_token")}

    def test_processes_never_see_half_a_save(self, store: Any, tmp_path: Path) -> None:
        """A process that reads while another one saves finds every token, as it was before or after."""
        bob, alice = stored(store, BOB), stored(store, ALICE)
        versions = [alice | {"access_token": f"1000.a.{n}" * 20, "expires_in": f"{n}" * 13} for n in (4, 5)]
        store.save_token(make_token(**versions[1]))
        with Child(self.work_shared(tmp_path)) as writer:
            writer.wait_until_open()
            writer.begin(save_in_turn, versions)
            while not writer.has_spoken():
                assert by_id(store, alice["id"]) in versions
                assert by_id(store, bob["id"]) == bob
                assert len(all_fields(store)) == 2
            writer.hear()

    def test_processes_see_deletions(self, store: Any, tmp_path: Path) -> None:
        """A token that one process deletes is gone in another one that has used it."""
        alice, bob = stored(store, ALICE), stored(store, BOB)
        with Child(self.work_shared(tmp_path)) as other:
            other.wait_until_open()
            assert other.ask(look_up, alice["id"]) == alice
            store.delete_token(alice["id"])
            assert other.ask(look_up, alice["id"]) is None
            other.ask(delete, bob["id"])
        assert_missing(store, str(bob["id"]))
        assert all_fields(store) == []
