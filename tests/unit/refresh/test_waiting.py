"""Threads of one process that wait for each other."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from tests.unit.refresh.support import Fleet, Running, in_thread, wait_until
from zoho_tokenstore import BackendError, TokenRecord
from zoho_tokenstore.errors import AccountsUnavailableError
from zoho_tokenstore.leases import LeaseBook

THREADS = 20


@pytest.fixture
def patient() -> Fleet:
    return Fleet(wait=timedelta(seconds=10))


def _waiting(fleet: Fleet, token: TokenRecord) -> list[Running]:
    """Start threads that ask for a token in other hands, and return when all of them wait."""
    threads = [Running(lambda: fleet.first.get(token.id or "")) for _ in range(THREADS)]
    wait_until(lambda: fleet.storage.count["load"] >= THREADS + 1)
    return threads


def _begin(fleet: Fleet) -> TokenRecord:
    token = fleet.login(-1)
    held = fleet.first.get(token.id or "")
    assert held is not None
    fleet.storage.count.clear()
    fleet.storage.count["load"] = 1
    return held


def test_waiting_asks_the_storage_nothing(patient: Fleet) -> None:
    """However long the refresh takes, each waiting thread costs its first read, and three at the end."""
    held = _begin(patient)
    threads = _waiting(patient, held)
    pause = threading.Event()
    before = patient.storage.count.copy()
    pause.wait(0.5)
    assert patient.storage.count == before == {"load": THREADS + 1}
    saved = patient.first.save(patient.minted(held))
    assert {thread.result() for thread in threads} == {saved}
    assert patient.storage.count["read"] <= THREADS + 1 + 1  # one for giving it back
    assert patient.storage.count["load"] <= 2 * THREADS + 2
    assert patient.storage.count["replace"] == 1  # which gave it back


def test_failure_of_the_holder_is_told_to_those_who_wait(patient: Fleet) -> None:
    """When the holder's next look-up shows that it failed, nobody waits any longer."""
    held = _begin(patient)
    threads = _waiting(patient, held)
    with pytest.raises(AccountsUnavailableError, match="brought no new token"):
        patient.first.get(held.id or "")
    for thread in threads:
        with pytest.raises(AccountsUnavailableError):
            thread.result()


def test_thread_that_ended_is_not_waited_for(patient: Fleet) -> None:
    """A thread that took the lease and ended without a save has failed; the next look-up tells."""
    token = patient.login(-1)
    in_thread(lambda: patient.first.get(token.id or ""))
    with pytest.raises(AccountsUnavailableError, match="brought no new token"):
        patient.first.get(token.id or "")
    assert patient.kinds() == ["refresh_started", "refresh_failed", "refresh_refused"]


def test_store_closed_while_threads_wait(patient: Fleet) -> None:
    """Closing the store ends every wait with an error."""
    held = _begin(patient)
    threads = _waiting(patient, held)
    patient.first.close()
    patient.storage.close()
    for thread in threads:
        with pytest.raises((BackendError, AccountsUnavailableError)):
            thread.result()


def test_close_gives_the_lease_back(patient: Fleet) -> None:
    """A process that closes its store while another thread refreshes lets others go on at once."""
    held = _begin(patient)
    running = threading.Event()
    in_other = Running(lambda: (patient.process(), running.wait(5)))
    other = patient.process()
    name = patient.first._flights.of_this_thread()[0].name
    patient.first._flights.of_this_thread()[0].thread = in_other._thread
    patient.first.close()
    assert LeaseBook(patient.storage.leases).look(name).owner is None
    assert patient.must_refresh(other.get(held.id or ""))
    running.set()
    in_other.result()


def test_wait_is_bounded() -> None:
    """Who waits in vain gets an error when `wait` is over, not before, and no request is sent."""
    fleet = Fleet(wait=timedelta(seconds=0.3))
    held = _begin(fleet)
    outcomes = [Running(lambda: fleet.first.get(held.id or "")) for _ in range(3)]
    for outcome in outcomes:
        with pytest.raises(AccountsUnavailableError, match=r"within 0\.3 s"):
            outcome.result()
    assert fleet.storage.count["replace"] == 0
    assert fleet.kinds() == ["refresh_started"] + ["refresh_awaited"] * 3
