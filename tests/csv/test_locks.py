"""The lock: held only while something is written, never deleted, waited for up to a bound."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock
import pytest

from tests.csv import support
from tests.csv.support import NAME, beside
from zoho_tokenstore.backends.csv import CSVBackend
from zoho_tokenstore.errors import BackendTimeoutError, BackendUnavailableError, TokenStoreError
from zoho_tokenstore.records import Row

TTL = 30_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / NAME


@contextmanager
def held_by_another(lock: Path) -> Iterator[None]:
    """Hold the lock as another process would: with the operating system's means, on a handle of our own."""
    handle = os.open(lock, os.O_RDWR)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield
    finally:
        os.close(handle)


CHANGES: dict[str, Callable[[CSVBackend], object]] = {
    "write": lambda backend: backend.write(Row("2"), expect=None),
    "remove": lambda backend: backend.remove("1"),
    "clear": lambda backend: backend.clear(),
    "scrub": lambda backend: backend.scrub(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_waits_up_to_the_timeout(path: Path, change: str) -> None:
    """Then it is a BackendTimeoutError that names the lock file; nothing was changed."""
    backend = CSVBackend(path, timeout=0.2)
    backend.write(Row("1"), expect=None)
    before = path.read_bytes()
    with held_by_another(path.with_name(f"{NAME}.lock")):
        began = time.monotonic()
        with pytest.raises(BackendTimeoutError, match=rf"locked by others for 0.2 s.*{NAME}.lock"):
            CHANGES[change](backend)
        assert 0.1 < time.monotonic() - began < 5
    assert path.read_bytes() == before
    CHANGES[change](backend)


def test_an_opening_waits_up_to_the_timeout(path: Path) -> None:
    """A store that cannot be written is refused when it is opened."""
    support.make(path.parent)
    with held_by_another(path.with_name(f"{NAME}.lock")), pytest.raises(BackendTimeoutError):
        CSVBackend(path, timeout=0.1)
    with held_by_another(path.with_name(f"{NAME}.leases.lock")), pytest.raises(BackendTimeoutError):
        CSVBackend(path, timeout=0.1)


def test_leases_have_a_lock_of_their_own(path: Path) -> None:
    """A long save holds up no lease, and is not held up by one; each waits up to the timeout."""
    backend = CSVBackend(path, timeout=0.2)
    with held_by_another(path.with_name(f"{NAME}.lock")):
        assert backend.leases.replace("a", "", "one", TTL)
    with held_by_another(path.with_name(f"{NAME}.leases.lock")):
        backend.write(Row("1"), expect=None)
        assert backend.leases.read("a").text == "one"
        with pytest.raises(BackendTimeoutError):
            backend.leases.replace("a", "one", "two", TTL)


def test_a_look_up_takes_no_lock(path: Path) -> None:
    """While somebody holds it, everything can be read."""
    backend = support.make(path.parent)
    backend.write(Row("1", "alice"), expect=None)
    with held_by_another(path.with_name(f"{NAME}.lock")):
        assert backend.load("1") is not None
        assert len(backend.find("user_name", "alice")) == len(list(backend.scan())) == 1


def test_nobody_holds_it_while_nothing_is_written(path: Path) -> None:
    """Also not after an opening, a refused write, and a change that failed."""
    backend = support.make(path.parent)
    backend.write(Row("1"), expect=None)
    refused = {"1": "alice", "2": "\ud800"}  # exists already; cannot be stored
    for row_id, name in refused.items():
        with pytest.raises(TokenStoreError):
            backend.write(Row(row_id, name), expect=None)
        for lock in (f"{NAME}.lock", f"{NAME}.leases.lock"):
            with held_by_another(path.with_name(lock)):
                pass


def test_lock_files_stay(path: Path) -> None:
    """They are made once, for their owner alone, and are the same files for ever."""
    backend = support.make(path.parent)
    files = [path.with_name(f"{NAME}{end}") for end in (".lock", ".leases.lock")]
    before = [file.stat() for file in files]
    assert [stat.st_mode & 0o777 for stat in before] == [0o600] * 2
    backend.write(Row("1"), expect=None)
    backend.leases.replace("a", "", "one", TTL)
    backend.close()
    support.reopen(path.parent).clear()
    assert [file.stat().st_ino for file in files] == [stat.st_ino for stat in before]
    assert [file.read_bytes() for file in files] == [b"", b""]
    assert beside(path) == {"*.lock", "*.leases", "*.leases.lock", "*.retired"}


def test_threads_wait_for_each_other(path: Path) -> None:
    """Threads of one handle and of several take turns; nobody is refused."""
    handles = [support.make(path.parent) for _ in range(3)]
    failed: list[BaseException] = []

    def write(number: int) -> None:
        try:
            handles[number % 3].write(Row(str(number)), expect=None)
        except BaseException as error:  # noqa: BLE001  # told below
            failed.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert sorted(int(row.id) for row in handles[0].scan()) == list(range(24))


def test_a_link_in_the_place_of_the_lock_is_not_followed(path: Path) -> None:
    """Somebody else's file is never opened as our lock."""
    mine = path.with_name("mine")
    mine.write_text("mine")
    path.with_name(f"{NAME}.lock").symlink_to(mine)
    with pytest.raises(BackendUnavailableError):
        CSVBackend(path)
    assert mine.read_text() == "mine"
    assert not path.exists()


def test_a_file_system_without_locks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused: no weaker kind of lock takes the place of the operating system's."""

    def flock(handle: int, operation: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(BackendUnavailableError, match=r"has no locks\. Move it to a local disk"):
        CSVBackend(path)
    assert beside(path) == {"*.lock"}


def test_without_filelock_the_extra_is_named() -> None:
    """The registry and the package load without it; the backend says what to install."""
    source = (
        "import sys; sys.modules['filelock'] = None\n"
        "import zoho_tokenstore, zoho_tokenstore.registry\n"
        "try:\n    import zoho_tokenstore.backends.csv\n"
        "except zoho_tokenstore.errors.MissingDependencyError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=True
    )
    assert 'pip install "zoho-tokenstore[csv]"' in done.stdout


def test_the_lock_is_filelock_in_its_strict_form(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kept on release, and without a fall-back; both need filelock 4."""
    made: list[dict[str, object]] = []
    native = filelock.FileLock

    def recording(*arguments: object, **named: object) -> object:
        made.append(named)
        return native(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(filelock, "FileLock", recording)
    support.make(path.parent)
    assert made
    assert all(named["preserve_lock_file"] is True and named["fallback_to_soft"] is False for named in made)
