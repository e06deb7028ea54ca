"""Clauses about a process that is killed while it saves."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final

from zoho_tokenstore.testing._abilities import Ability
from zoho_tokenstore.testing._children import Child
from zoho_tokenstore.testing._subject import StoreSubject, close_store, within
from zoho_tokenstore.testing.steps import FIELDS, Fields, all_fields, found, login, stored

_SEED: Final = 15
_KILLS: Final = 6
_TEACHERS: Final = 2
_LONGEST_S: Final = 0.03
_DEADLINE_S: Final = 20.0


def save_without_end(store: Any, life: int) -> Iterator[Fields]:
    """Log users in and renew their tokens, without end; yield each save after it has returned."""
    for number in count():
        for who in ("alice", f"student{life}"):
            yield stored(store, login(who, access_token=f"1000.access.{life}.{number}"))


class KillClauses(StoreSubject):
    """Whatever moment a process is killed at, what it had saved is there, and the store works."""

    def make_populated(self, folder: Path) -> None:
        """Make a store that outlives its process, with some users, and close it."""
        self.need(Ability.PERSISTENT)
        store = self.new_store(folder)
        for number in range(_TEACHERS):
            stored(store, login(f"teacher{number}", access_token="1000.access.0.0"))  # noqa: S106
        close_store(store)

    def lives(self, folder: Path) -> Iterator[list[Fields]]:
        """Let process after process save until it is killed; yield the newest save of each user, by each."""
        self.make_populated(folder)
        moments = random.Random(_SEED)  # noqa: S311  # repeatable
        for life in range(_KILLS):
            delay = moments.uniform(0, _LONGEST_S)
            print(f"seed {_SEED}, life {life}: killed {delay * 1000:.1f} ms after its first save")
            with Child(self.opener(folder)) as child:
                child.wait_until_open()
                saved = [child.ask(save_without_end, life)]
                time.sleep(delay)
                saved += child.kill()
            assert all(isinstance(said, dict) for said in saved), saved[-1]
            yield list({fields["user_name"]: fields for fields in saved}.values())

    def test_killed_saves_are_kept(self, tmp_path: Path) -> None:
        """A save that has returned outlives the process, whenever that is killed."""
        kept: dict[Any, Fields] = {}
        for saved in self.lives(tmp_path):
            kept |= {fields["user_name"]: fields for fields in saved}
            store = self.reopen(None, tmp_path)
            for fields in kept.values():
                stands = found(store, user_name=fields["user_name"])
                assert stands is not None
                assert _turn_of(stands) >= _turn_of(fields)  # newer, if that save was killed
                assert stands["refresh_token"] == fields["refresh_token"]
            close_store(store)

    def test_killed_saves_are_whole_or_nothing(self, tmp_path: Path) -> None:
        """After a process was killed, every row is as some save wrote it, and none is missing."""
        for _ in self.lives(tmp_path):
            store = self.reopen(None, tmp_path)
            rows = {str(row["user_name"]).partition("@")[0]: row for row in all_fields(store)}
            assert len([who for who in rows if who.startswith("teacher")]) == _TEACHERS
            for who, row in rows.items():
                assert _turn_of(row) >= (0, 0)
                free = {name: row[name] for name in ("id", "access_token")}
                assert row == dict.fromkeys(FIELDS) | login(who) | free
            close_store(store)

    def test_killed_processes_leave_nothing_locked(self, tmp_path: Path) -> None:
        """After a process was killed, the next one opens the store and saves within seconds."""
        for saved in self.lives(tmp_path):
            within(
                _DEADLINE_S, partial(self._open_and_save, tmp_path, saved[0] | {"access_token": "1000.after"})
            )

    def _open_and_save(self, folder: Path, fields: Fields) -> None:
        store = self.reopen(None, folder)
        stored(store, fields)
        assert found(store, user_name=fields["user_name"]) is not None
        close_store(store)


def _turn_of(fields: Fields) -> tuple[int, int]:
    """Return which life and which turn of it an access token is from."""
    life, turn = str(fields["access_token"]).removeprefix("1000.access.").split(".")
    return int(life), int(turn)
