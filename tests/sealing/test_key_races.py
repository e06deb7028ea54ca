"""Threads of a process, one of which is asking the key service, or has just renewed the ring."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.sealing.services import Service, Time, backend, time
from tests.sealing.support import ALICE, BOB, NEW, OLD, queries, repository
from zoho_tokenstore import Keyset, TokenRecord, TokenRepository
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.records import Row
from zoho_tokenstore.sealing import SealingKey
from zoho_tokenstore.sealing import _keyset as keyring
from zoho_tokenstore.sealing._cipher import AESGCMCipher, check_store

__all__ = ["backend", "time"]

PATIENCE = 10.0  # seconds for another thread; only a failing test waits so long


class Slow(Service):
    """A service of which an answer comes when it is let."""

    def __init__(self, *keys: SealingKey) -> None:
        super().__init__(*keys)
        self.is_asked, self.may_answer = threading.Event(), threading.Event()
        self.may_answer.set()

    def __call__(self) -> Any:
        self.is_asked.set()
        assert self.may_answer.wait(PATIENCE)
        return super().__call__()

    def begin_to_ask(self, ask: Callable[[], object]) -> threading.Thread:
        """Let a thread ask, and return while it waits for the answer."""
        self.is_asked.clear()
        self.may_answer.clear()
        thread = threading.Thread(target=ask)
        thread.start()
        assert self.is_asked.wait(PATIENCE)
        return thread


@pytest.fixture
def service(time: Time) -> Slow:
    return Slow(OLD)


def test_the_others_go_on_with_the_keys_they_have(service: Slow, time: Time, backend: ListBackend) -> None:
    """Nobody waits for a renewal that he does not need."""
    tokens = TokenRepository(backend, keys=service)
    tokens.save(ALICE)
    time.pass_(60)
    thread = service.begin_to_ask(lambda: tokens.save(BOB))
    saved = tokens.save(ALICE)
    assert tokens.get(saved.id or "") == saved
    assert tokens.find(queries(ALICE)["access_token"]) == saved
    assert thread.is_alive()
    service.may_answer.set()
    thread.join(PATIENCE)
    assert service.asked == 2


def test_who_finds_nothing_waits_for_a_moment(
    service: Slow, time: Time, backend: ListBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer key might lead to the row: it is waited for, but a service that hangs holds nobody up."""
    tokens = TokenRepository(backend, keys=service)
    tokens.save(BOB.changed(id="1"))
    repository(backend, NEW, OLD).save(ALICE.changed(id="2"))
    service.keys = [NEW, OLD]
    time.pass_(1)
    first = service.begin_to_ask(lambda: tokens.get("2"))
    monkeypatch.setattr(keyring, "_RECHECK_TIMEOUT", 0.01)
    assert tokens.find(queries(ALICE)["access_token"]) is None
    monkeypatch.setattr(keyring, "_RECHECK_TIMEOUT", PATIENCE)
    found: list[object] = []
    other = threading.Thread(target=lambda: found.append(tokens.find(queries(ALICE)["access_token"])))
    other.start()
    other.join(0.05)
    assert found == []
    service.may_answer.set()
    for thread in (first, other):
        thread.join(PATIENCE)
    assert len(found) == 1
    assert found[0] is not None


def test_who_needs_a_new_key_waits_for_it(service: Slow, time: Time, backend: ListBackend) -> None:
    """Threads that meet its rows while it is fetched are not refused; it is fetched once."""
    tokens = TokenRepository(backend, keys=service)
    row_id = repository(backend, NEW, OLD).save(ALICE).id or ""
    service.keys = [NEW, OLD]
    time.pass_(1)
    found: list[object] = []
    first = service.begin_to_ask(lambda: found.append(tokens.get(row_id)))
    others = [threading.Thread(target=lambda: found.append(tokens.get(row_id))) for _ in range(7)]
    for other in others:
        other.start()
    others[0].join(0.05)
    service.may_answer.set()
    for thread in (first, *others):
        thread.join(PATIENCE)
    assert len(found) == 8
    assert None not in found
    assert service.asked == 2


def test_a_key_that_came_meanwhile_is_used(backend: ListBackend) -> None:
    """Another thread has renewed the ring since the key was missed: this one has nothing to renew."""

    class Overtaken(Keyset):
        def reload(self, *, at_once: bool = False, missing: bool = False) -> bool:
            self.current = Keyset([NEW, OLD]).current  # by another thread
            return False

    row_id = repository(backend, NEW, OLD).save(ALICE).id or ""
    look_ups: list[Callable[[TokenRepository], TokenRecord | None]] = [
        lambda tokens: tokens.get(row_id),
        lambda tokens: tokens.find(TokenRecord(user_name=ALICE.user_name)),
        lambda tokens: next(iter(tokens.scan())),
        lambda tokens: tokens.save(ALICE),
    ]
    for look_up in look_ups:
        found = look_up(TokenRepository(backend, keys=Overtaken([OLD])))
        assert found is not None
        assert found.access_token == ALICE.access_token


def test_a_store_is_not_refused_because_another_thread_renewed_the_ring(backend: ListBackend) -> None:
    """Likewise where the first row was found to be under a key that is not here."""

    class Overtaken(Keyset):
        def reload(self, *, at_once: bool = False, missing: bool = False) -> bool:
            self.current = Keyset([NEW, OLD]).current  # by another thread
            return False

    repository(backend, NEW, OLD).save(ALICE)
    check_store(backend, AESGCMCipher(Overtaken([OLD])))


def test_a_row_is_not_absent_because_another_thread_renewed_the_ring(service: Slow, time: Time) -> None:
    """It is looked for by the old digest alone; when nothing is found, the ring has the new key."""
    ring = Keyset.from_callable(service)

    class Overtaken(ListBackend):
        def find(self, index: str, *keys: str) -> list[Row]:
            found = super().find(index, *keys)
            ring.reload(missing=True)  # by another thread
            return found

    backend = Overtaken()
    repository(backend, OLD).save(BOB.changed(id="1"))
    repository(backend, NEW, OLD).save(ALICE.changed(id="2"))
    service.keys = [NEW, OLD]
    time.pass_(1)
    assert TokenRepository(backend, keys=ring).find(queries(ALICE)["access_token"]) is not None
