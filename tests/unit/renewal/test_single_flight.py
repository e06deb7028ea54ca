"""The renewals of one process: each credential's is made once, and told to everybody who waits."""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.renewal.support import PATIENCE, Running, wait_until
from zoho_tokenstore import TokenRecord
from zoho_tokenstore.errors import AccountsUnavailableError, BackendError, InvalidGrantError
from zoho_tokenstore.renewal._single_flight import PendingRenewal, SingleFlight

TOKEN = TokenRecord(id="1", access_token="1000.a")
Work = Callable[[PendingRenewal], TokenRecord | None]


class Gate:
    """Work that waits until it is let go, and counts how often it was begun."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.begun = 0
        self.open = threading.Event()
        self._error = error

    def __call__(self, flight: PendingRenewal) -> TokenRecord | None:
        self.begun += 1
        assert self.open.wait(PATIENCE)
        if self._error is not None:
            raise self._error
        return TOKEN


def _result(flights: SingleFlight, name: str, work: Work) -> TokenRecord | None:
    flight = flights.join(name, work)
    assert flight.wait(PATIENCE)
    return flight.result()


def test_all_who_ask_at_once_share_one() -> None:
    """Twenty threads, one renewal, one token; it knows how many it has served."""
    flights, gate = SingleFlight(), Gate()
    threads = [Running(lambda: _result(flights, "a", gate)) for _ in range(20)]
    flight = flights.join("a", gate)
    wait_until(lambda: flight.waiters == 20)
    gate.open.set()
    assert [thread.result() for thread in threads] == [TOKEN] * 20
    assert gate.begun == 1


def test_different_credentials_do_not_wait_for_each_other() -> None:
    """One that hangs holds up its own callers only."""
    flights, hanging = SingleFlight(), Gate()
    flights.join("a", hanging)
    assert _result(flights, "b", lambda _: TOKEN) is TOKEN
    assert flights.is_postponed("a")
    assert not flights.is_postponed("b")
    hanging.open.set()


def test_the_next_one_is_new() -> None:
    """When it has ended the next caller starts another one."""
    flights, gate = SingleFlight(), Gate()
    gate.open.set()
    for _ in range(3):
        assert _result(flights, "a", gate) is TOKEN
    assert gate.begun == 3


def test_each_is_told_an_error_of_his_own() -> None:
    """What one caller adds to his error, or where it came from, no other one sees."""
    gate = Gate(InvalidGrantError("Log in again.", error_code="invalid_code", retry_after=3))
    flight = SingleFlight().join("a", gate)
    gate.open.set()
    assert flight.wait(PATIENCE)
    errors = []
    for number in range(3):
        with pytest.raises(InvalidGrantError, match="Log in again") as caught:
            flight.result()
        caught.value.add_note(f"caller {number}")
        errors.append(caught.value)
    assert len({id(error) for error in errors}) == 3
    assert [error.__notes__ for error in errors] == [["caller 0"], ["caller 1"], ["caller 2"]]
    assert {(error.kind, error.error_code, error.retry_after) for error in errors} == {
        ("rejected", "invalid_code", 3)
    }


def test_one_that_an_observer_ends_is_over() -> None:
    """Even what is no `Exception` reaches who waits, and the next caller starts another one."""
    flights, gate = SingleFlight(), Gate(SystemExit(3))
    gate.open.set()
    for _ in range(2):
        with pytest.raises(SystemExit, match="3"):
            _result(flights, "a", gate)
    assert gate.begun == 2
    assert not flights.is_postponed("a")


class DiskError(BackendError):
    """An error of somebody else's backend, which cannot be made of its own `args`."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code


class DiskFullError(BackendError):
    """Another one, which makes another message of its own."""

    def __init__(self, disk: str) -> None:
        super().__init__(f"{disk} is full")


@pytest.mark.parametrize(
    ("error", "message"), [(DiskError(5, "broken"), "broken (5)"), (DiskFullError("sda"), "sda is full")]
)
def test_an_error_of_others_is_raised_as_it_was(error: BackendError, message: str) -> None:
    """Whatever its constructor takes, each caller gets that class and message."""
    gate = Gate(error)
    gate.open.set()
    flight = SingleFlight().join("a", gate)
    assert flight.wait(PATIENCE)
    for _ in range(2):
        with pytest.raises(type(error)) as caught:
            flight.result()
        assert str(caught.value) == message
        assert vars(caught.value).get("code") == vars(error).get("code")


def test_an_error_keeps_no_values_in_its_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those through which its cause came are cleared: a token may be in them."""

    def work(flight: PendingRenewal) -> TokenRecord | None:
        secret = "1000.secret"
        try:
            Path(secret).stat()
        except FileNotFoundError as error:
            raise AccountsUnavailableError("failed") from error
        return None

    monkeypatch.setitem(globals(), "__name__", "zoho_tokenstore.renewal.example")
    flight = SingleFlight().join("a", work)
    assert flight.wait(PATIENCE)
    with pytest.raises(AccountsUnavailableError, match="failed") as caught:
        flight.result()
    assert isinstance(caught.value.__cause__, FileNotFoundError)
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__cause__.__traceback__)]
    assert frames[0].f_code.co_name == "work"
    assert frames[0].f_locals == {}


def test_who_does_not_wait_long_is_let_go() -> None:
    """A wait ends in time although the renewal does not."""
    gate = Gate()
    flight = SingleFlight().join("a", gate)
    began = time.monotonic()
    assert not flight.wait(0.05)
    assert time.monotonic() - began < 1
    gate.open.set()


def test_without_another_thread_it_is_made_in_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    """When no thread can be started, as at the interpreter's end, the caller renews by itself."""

    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    threads: list[int] = []

    def work(flight: PendingRenewal) -> TokenRecord | None:
        threads.append(threading.get_ident())
        return TOKEN

    monkeypatch.setattr(threading.Thread, "start", start)
    assert _result(SingleFlight(), "a", work) is TOKEN
    assert threads == [threading.get_ident()]


def test_a_renewal_whose_start_a_signal_interrupts_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether its thread runs is unknown: the next caller starts another, as do those who have joined it."""
    flight = SingleFlight()
    joined: list[PendingRenewal] = []

    def start(self: threading.Thread) -> None:
        joined.append(flight.join("a", lambda _: None))
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        with pytest.raises(KeyboardInterrupt):
            flight.join("a", lambda _: None)
    assert joined[0].wait(0)
    assert (joined[0].result(), joined[0].is_final) == (None, False)
    assert _result(flight, "a", lambda _: TOKEN) is TOKEN


def test_holding_off_ends() -> None:
    """For as long as it was said, those who can go without do not try."""
    flights = SingleFlight()
    flights.postpone("a", 0.05)
    assert flights.is_postponed("a")
    wait_until(lambda: not flights.is_postponed("a"))


def test_not_all_are_renewed_ahead_at_once() -> None:
    """While many renewals are pending, those who can do without begin no other; the rest still do."""
    flights, gate = SingleFlight(), Gate()
    running = [flights.join(str(number), gate) for number in range(31)]
    assert not flights.is_postponed("a")
    running.append(flights.join("needed", gate))
    assert flights.is_postponed("a")
    running.append(flights.join("needed too", gate))
    gate.open.set()
    assert all(flight.wait(PATIENCE) for flight in running)
    assert not flights.is_postponed("a")


def test_all_are_waited_for_at_the_end() -> None:
    """As long as it is said, and no longer."""
    flights, gates = SingleFlight(), [Gate(), Gate()]
    running = [flights.join(name, gate) for name, gate in zip("ab", gates, strict=True)]
    flights.wait_for_all(0.05)
    assert not any(flight.finished.is_set() for flight in running)
    for gate in gates:
        gate.open.set()
    flights.wait_for_all(PATIENCE)
    assert all(flight.finished.is_set() for flight in running)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_begins_without_any() -> None:
    """After a fork the parent's renewal goes on there; the child starts its own, and is held off by none."""
    flights, gate = SingleFlight(), Gate()
    flights.join("a", gate)
    flights.postpone("b", 60)
    child = os.fork()
    if child == 0:
        is_free = not flights.is_postponed("a") and not flights.is_postponed("b")
        os._exit(0 if is_free and _result(flights, "a", lambda _: TOKEN) is TOKEN else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert flights.is_postponed("a")
    gate.open.set()
