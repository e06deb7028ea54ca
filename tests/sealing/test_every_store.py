"""A store is sealed, and its key changed, while somebody uses it: on every store that several can share."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Final

import pytest

from tests.contract.stores import SHARED, Case
from tests.sealing.support import CLIENT, FAR, NEW, OLD, login, queries, rows
from zoho_tokenstore import Keyset, TokenRecord, TokenRepository
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.records import SECRET_COLUMNS
from zoho_tokenstore.sealing import ResealReport, SealingKey, count_by_key, reseal

PATIENCE: Final = 60.0
FIRST, SECOND = OLD, NEW

# What the key file says: before the new key seals, and from then on.
SEALED: Final = (f"clear\n{FIRST.to_text()}\n", f"{FIRST.to_text()}\nclear\n")
ROTATED: Final = (f"{FIRST.to_text()}\n", f"{SECOND.to_text()}\n{FIRST.to_text()}\n")

KEYS: Final = ("id", "user_name", "access_token", "refresh_token", "grant_token")
"""What a token is found by."""

Users = dict[str, TokenRecord]


class Use:
    """One user's token is saved again and again, and the others are looked up.

    `users` are the tokens by id, as they were last saved; `saved` every secret that has been.
    """

    def __init__(self, users: Users, busy: str) -> None:
        self.users = users
        self.saved = {str(getattr(user, field)) for user in users.values() for field in SECRET_COLUMNS}
        self._busy = busy
        self._rounds = self._saves = 0
        self._went_on = threading.Condition()
        self._stopped = False

    def run(self, tokens: TokenRepository) -> None:
        """Do so until `stop`, whose waiters are woken also if it fails."""
        looks = [(row_id, name) for name in KEYS for row_id in self.users if row_id != self._busy]
        try:
            while not self._stopped:
                self._save(tokens)
                row_id, name = looks[self._rounds % len(looks)]
                check_found(tokens, row_id, self.users[row_id], name)
                with self._went_on:
                    self._rounds += 1
                    self._went_on.notify_all()
        finally:
            self.stop()

    def stop(self) -> None:
        """End it after the round that it is in."""
        with self._went_on:
            self._stopped = True
            self._went_on.notify_all()

    def wait_for_a_round(self) -> None:
        """Return when a token has been saved, and another looked up, from beginning to end."""
        with self._went_on:
            enough = self._rounds + 2
            assert self._went_on.wait_for(lambda: self._stopped or self._rounds >= enough, PATIENCE)

    def _save(self, tokens: TokenRepository) -> None:
        """Save a token, then only another expiry: a save that is lost shows, whatever is saved after it."""
        check_found(tokens, self._busy, self.users[self._busy], "id")
        self._saves += 1
        changed: dict[str, Any] = {"expires_at_ms": FAR + self._saves}
        if self._saves % 2:
            changed = {"access_token": f"1000.saved-meanwhile.{self._saves}", **changed}
            self.saved.add(changed["access_token"])
        else:
            changed["access_token"] = self.users[self._busy].access_token
        tokens.save(TokenRecord(id=self._busy, **changed))
        self.users[self._busy] = self.users[self._busy].changed(**changed)


@contextmanager
def used(use: Use, backend: Backend, key_file: Path) -> Iterator[None]:
    """Let another thread use the store in the block; what failed there is raised after it."""
    with closing(backend), ThreadPoolExecutor(1) as pool:
        done = pool.submit(use.run, TokenRepository(backend, keys=Keyset.from_file(key_file)))
        try:
            use.wait_for_a_round()
            yield
            use.wait_for_a_round()
        finally:
            use.stop()
            done.result(PATIENCE)


def let_go_on(use: Use, done: ResealReport) -> None:
    """Let the other thread do something after each row; in later passes there is nothing to do."""
    if done.passes == 1:
        use.wait_for_a_round()


def write_keys(path: Path, text: str) -> None:
    """Replace the key file by another one, as an operator does."""
    new = path.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(text)
    new.replace(path)


def check_found(tokens: TokenRepository, row_id: str, user: TokenRecord, name: str) -> None:
    """The token is found by this key, with what was saved."""
    found = tokens.find({"id": TokenRecord(id=row_id), **queries(user)}[name])
    assert found is not None, name
    assert found.id == row_id, name
    for field in (*SECRET_COLUMNS, "expires_at_ms"):
        assert getattr(found, field) == getattr(user, field), (name, field)


def check_sealed(backend: Backend, use: Use, key: SealingKey) -> None:
    """All is under this key alone, is found with it alone, and nothing else is stored."""
    only = Keyset([key])
    stock = count_by_key(backend, only)
    assert (stock.rows, dict(stock.by_key), stock.refused) == (
        len(use.users),
        {key.id: len(use.users)},
        [],
    )
    tokens = TokenRepository(backend, keys=only)
    for (row_id, user), name in product(use.users.items(), KEYS):
        check_found(tokens, row_id, user, name)
    stored = "\n".join(
        f"{value}" for row in rows(backend) for value in (*row._replace(digests={}), *row.digests.values())
    )
    assert CLIENT["client_secret"] in use.saved
    assert not [secret for secret in use.saved if secret in stored]
    assert f"zts1.{key.id}." in stored
    assert not [other for other in (FIRST, SECOND) if other != key and f"zts1.{other.id}." in stored]


@pytest.mark.clear  # a clear store is what it begins with
@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in SHARED.items()])
def test_sealing_and_rotating_under_use(case: Case, tmp_path: Path) -> None:
    """No look-up fails, no save is lost, and afterwards the newest key alone is enough, and all there is.

    After each row the other thread saves once more. It saves the last row in turn: where the storage
    gives out several rows at once, that one has always changed since it was read to be sealed.
    """
    key_file = tmp_path / "keys"
    with closing(case.make_backend(tmp_path)) as backend:
        clear = TokenRepository(backend)
        users = {clear.save(user).id or "": user for user in map(login, ("a", "b", "c", "d"))}
        assert dict(count_by_key(backend).by_key) == {"clear": len(users)}
        use = Use(users, [row.id for row in backend.scan()][-1])
        for (before, after), key in ((SEALED, FIRST), (ROTATED, SECOND)):
            write_keys(key_file, before)
            with used(use, case.reopen_backend(backend, tmp_path), key_file):
                write_keys(key_file, after)
                keys = Keyset.from_file(key_file)
                done = reseal(backend, keys, on_progress=partial(let_go_on, use))
                assert (done.rows, done.pending, done.refused) == (len(users), 0, set())
                assert done.sealed >= len(users) - 1  # or the other thread was faster at its own
            check_sealed(backend, use, key)
