"""Leases beside the file: the rules that all leases follow, among all processes, and a file that broke."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.csv import support
from tests.csv.support import NAME, beside, open_tokens, token
from tests.csv.test_locks import held_by_another
from tests.unit.refresh.support import NOW, FakeClock, Running
from tests.unit.refresh.test_leases import (
    TTL,
    clock,
    test_clock_set_back,
    test_compare_and_release,
    test_note_is_compared_before_it_is_replaced,
    test_old_leases_are_forgotten,
    test_one_holder,
    test_threads_that_race,
)
from zoho_tokenstore.backends._csv.leases import CSVLeases
from zoho_tokenstore.backends.csv import CSVBackend
from zoho_tokenstore.errors import BackendError, BackendUnavailableError
from zoho_tokenstore.leases import Lease
from zoho_tokenstore.testing.hostile import HOSTILE_TEXTS

__all__ = [
    "clock",
    "test_clock_set_back",
    "test_compare_and_release",
    "test_note_is_compared_before_it_is_replaced",
    "test_old_leases_are_forgotten",
    "test_one_holder",
    "test_threads_that_race",
]

USES: dict[str, Callable[[CSVLeases], object]] = {
    "look": lambda leases: leases.look("a"),
    "acquire": lambda leases: leases.acquire("a", "one", TTL),
    "annotate": lambda leases: leases.annotate("a", "", "note"),
    "release": lambda leases: leases.release("a", "one"),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / NAME


@pytest.fixture
def backend(path: Path, clock: FakeClock) -> Iterator[CSVBackend]:  # the fixture above
    backend = CSVBackend(path)
    backend.leases._clock = clock
    yield backend
    backend.close()


@pytest.fixture
def leases(backend: CSVBackend) -> object:
    return backend.leases


@pytest.fixture
def file(path: Path) -> Path:
    return path.with_name(f"{NAME}.leases")


def test_every_byte_of_the_file(backend: CSVBackend, file: Path) -> None:
    """JSON: owner, end and note under each name. Before the first lease there is no file."""
    assert not file.exists()
    backend.leases.acquire("a", "one", TTL)
    backend.leases.annotate("b", "", "note")
    assert file.read_bytes() == f'{{"a": ["one", {NOW + TTL}, ""], "b": [null, {NOW}, "note"]}}'.encode()


def test_a_lease_that_is_held_is_not_written(backend: CSVBackend, file: Path) -> None:
    """Who asks for it in vain changes nothing."""
    backend.leases.acquire("a", "one", TTL)
    before = file.stat().st_ino
    assert backend.leases.acquire("a", "two", TTL).owner == "one"
    assert not backend.leases.release("a", "two")
    assert not backend.leases.annotate("a", "other", "note")
    assert file.stat().st_ino == before


def test_all_handles_see_them(backend: CSVBackend, path: Path) -> None:
    """A lease taken through one handle holds for another, as for another process."""
    other = CSVBackend(path)
    assert backend.leases.acquire("a", "one", TTL).owner == "one"
    assert other.leases.look("a") == Lease("one", NOW + TTL)
    assert other.leases.annotate("a", "", "note")
    assert backend.leases.look("a").note == "note"


@pytest.mark.parametrize("name", HOSTILE_TEXTS)
def test_hostile_texts(backend: CSVBackend, name: str) -> None:
    """Names, owners and notes are kept whatever is in them."""
    text = HOSTILE_TEXTS[name]
    assert backend.leases.acquire(text, text, TTL).owner == text
    assert backend.leases.annotate(text, "", text)
    assert backend.leases.look(text) == Lease(text, NOW + TTL, text)
    assert backend.leases.release(text, text)


def test_time_is_read_when_the_lease_is_had(
    backend: CSVBackend,
    file: Path,
    clock: FakeClock,
) -> None:
    """Who had to wait for the lock does not take a lease that was given meanwhile."""
    with held_by_another(file.with_name(f"{file.name}.lock")):
        waiting = Running(lambda: backend.leases.acquire("a", "two", TTL))
        threading.Event().wait(0.05)
        clock.now += 10 * TTL
        file.write_text(json.dumps({"a": ["one", clock.now + TTL, ""]}), encoding="utf-8")
    assert waiting.result().owner == "one"


BROKEN = {
    "nothing": b"",
    "half": b'{"a": ["one", 170000',
    "no object": b"[1, 2]",
    "no list": b'{"a": 1}',
    "a short list": b'{"a": ["one", 1]}',
    "a wrong kind": b'{"a": ["one", "1", ""]}',
    "no text": b"\xff\xfe\x00",
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("use", ["look", "acquire"])
def test_a_broken_file_is_put_aside_aloud(
    path: Path, backend: CSVBackend, file: Path, name: str, use: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is kept under another name, the log says so once, leases begin anew, and no token is touched."""
    with open_tokens(path) as tokens:
        saved = tokens.save(token("alice"))
    file.write_bytes(BROKEN[name])
    with caplog.at_level(logging.ERROR, "zoho_tokenstore"):
        if use == "look":
            assert backend.leases.look("a") == backend.leases.look("a") == Lease()
        assert backend.leases.acquire("a", "two", TTL).owner == "two"
    assert [record.getMessage() for record in caplog.records] == [
        f"The leases in {file} cannot be read. The file is now {file}.broken."
    ]
    assert file.with_name(f"{file.name}.broken").read_bytes() == BROKEN[name]
    assert backend.load(saved.id or "") is not None
    assert beside(path) == {"*.lock", "*.leases", "*.leases.lock", "*.leases.broken"}


def test_a_file_that_cannot_be_opened(backend: CSVBackend, file: Path) -> None:
    """It is an error, not taken for no leases; look-ups of tokens go on."""
    file.mkdir()
    for use in USES:
        with pytest.raises(BackendUnavailableError, match=f"{NAME}.leases cannot be used"):
            USES[use](backend.leases)
    assert backend.load("1") is None


def test_closed_is_closed(path: Path) -> None:
    """A closed backend's leases refuse, too."""
    backend = support.make(path.parent)
    backend.close()
    for use in USES:
        with pytest.raises(BackendError, match="has been closed"):
            USES[use](backend.leases)
