"""Look-ups see every change, by whomever and however it was written, and read the file only then."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.csv import support
from tests.csv.support import NAME, write_in_place
from zoho_tokenstore._util import atomic_files
from zoho_tokenstore.backends.csv import CSVBackend
from zoho_tokenstore.backends.csv import _content as content
from zoho_tokenstore.backends.csv import _tokenfile as tokenfile
from zoho_tokenstore.errors import BackendTimeoutError
from zoho_tokenstore.records import COLUMNS, Found, Row

pytestmark = pytest.mark.clear  # its rows are those of another program, or of a backend alone


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / NAME


@pytest.fixture
def backend(path: Path) -> Iterator[CSVBackend]:
    backend = CSVBackend(path)
    for number in range(3):
        backend.write(Row(str(number), f"user{number}", access_token="access-1"), expect=None)
    yield backend
    backend.close()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The files that are opened."""
    names: list[Any] = []
    native = os.open

    def recording(path: Any, *more: Any, **named: Any) -> int:
        names.append(path)
        return native(path, *more, **named)

    monkeypatch.setattr(os, "open", recording)
    return names


def settle(backend: CSVBackend) -> None:
    """Wait until a later writing is sure to have another time than the last one."""
    time.sleep(0.11)
    backend.load("0")


def test_the_same_row_while_nothing_changes(backend: CSVBackend, opened: list[Any]) -> None:
    """Look-ups return the very same object, and open no file, once it was quiet for a tenth of a second."""
    settle(backend)
    opened.clear()
    rows = [backend.load("1"), *backend.find("user_name", "user1"), backend.load("1")]
    assert all(row is rows[0] for row in rows)
    assert list(backend.scan())[1] is rows[0]
    assert opened == []


def test_the_same_row_at_once_after_a_write(backend: CSVBackend) -> None:
    """Before that the file is read, but its rows are not made again."""
    assert backend.load("1") is backend.load("1") is not None


def test_a_file_written_again_with_the_same_content(path: Path, backend: CSVBackend) -> None:
    """It is not parsed again: the rows are the same objects."""
    row = backend.load("1")
    settle(backend)
    write_in_place(path, path.read_bytes().decode())
    assert backend.load("1") is row


def change(path: Path, number: int) -> None:
    """Change a token in place; the size stays."""
    data = path.read_bytes()
    at = data.index(b"access-") + len(b"access-")
    with path.open("r+b") as file:
        file.seek(at)
        file.write(str(number % 10).encode())


def test_changes_of_the_same_size_in_the_same_moment(
    path: Path, backend: CSVBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the file system's clock has not ticked in between: each is seen by the next look-up."""
    monkeypatch.setattr(
        atomic_files, "fingerprint", lambda stat: (0, stat.st_size, stat.st_ino, stat.st_dev, 0)
    )
    form, lines, _ = content.parse(path.read_bytes(), NAME)
    for number in range(100):
        cells = [*lines["0"]]
        cells[COLUMNS.index("access_token")] = f"access-{number % 10}"
        with path.open("r+b") as file:
            file.write(content.to_bytes({**lines, "0": cells}.values(), form))
        row = backend.load("0")
        assert row is not None
        assert row.access_token == f"access-{number % 10}"


def test_a_change_whose_time_is_set_back(path: Path, backend: CSVBackend) -> None:
    """Same file, same size, same time of modification, as after `touch -r`: it is seen."""
    settle(backend)
    before = path.stat()
    change(path, 7)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_mtime_ns, path.stat().st_size) == (before.st_mtime_ns, before.st_size)
    row = backend.load("0")
    assert row is not None
    assert row.access_token == "access-7"


@pytest.mark.parametrize("ahead", [-3600, 3600])
def test_a_file_of_another_time(path: Path, backend: CSVBackend, ahead: int) -> None:
    """A clock that is set forwards or back hides no change."""
    for number in (4, 5, 6):
        then = time.time() + ahead
        change(path, number)
        os.utime(path, (then, then))
        row = backend.load("0")
        assert row is not None
        assert row.access_token == f"access-{number}"


def moment(mtime_ns: int, ctime_ns: int) -> Any:
    return type("Stat", (), {"st_mtime_ns": mtime_ns, "st_ctime_ns": ctime_ns})()


def test_when_a_file_is_settled() -> None:
    """A tenth of a second after its last change; where times are whole microseconds, 2.5 s."""
    now = 1_700_000_000_000_000_000
    fine, coarse = now - 100_000_001, now - 2_500_000_000
    assert tokenfile._is_settled(moment(fine, fine), now)
    assert tokenfile._is_settled(moment(0, fine), now)
    assert not tokenfile._is_settled(moment(fine + 1, fine), now)
    assert not tokenfile._is_settled(moment(fine, fine + 2), now)
    assert not tokenfile._is_settled(moment(coarse, coarse), now)
    assert tokenfile._is_settled(moment(coarse - 1000, coarse - 1000), now)
    assert not tokenfile._is_settled(moment(now + 1, fine), now)


Foreign = Callable[[Iterable[bytes]], None]


@pytest.fixture
def written_meanwhile(path: Path, monkeypatch: pytest.MonkeyPatch) -> Foreign:
    """Lets another program write the file in place, as FileStore does, just before each reading."""
    native = atomic_files.read

    def let(contents: Iterable[bytes]) -> None:
        left = iter(contents)

        def read(file: Path) -> Any:
            content = next(left, None)
            if content is not None:
                path.write_bytes(content)
            return native(file)

        monkeypatch.setattr(atomic_files, "read", read)

    return let


def rewritten(path: Path) -> tuple[bytes, bytes]:
    """The same tokens as FileStore would write them, up to the end of the first, and from there."""
    first, second, third = path.read_bytes().splitlines(keepends=True)[1:]
    return support.SDK_NAMES.encode() + b"\r\n" + first, second + third


LOOK_UPS: dict[str, Callable[[CSVBackend], list[Found]]] = {
    "load": lambda backend: [row for row in [backend.load("2")] if row is not None],
    "find": lambda backend: backend.find("user_name", "user2"),
    "scan": lambda backend: list(backend.scan(after="1")),
}


@pytest.mark.parametrize("halves", [1, 3])
@pytest.mark.parametrize("look_up", LOOK_UPS)
def test_half_a_file_is_not_taken_for_absence(
    path: Path, backend: CSVBackend, written_meanwhile: Foreign, look_up: str, halves: int
) -> None:
    """While another program writes in place, at the end of a row just now, a look-up waits for the rest."""
    half, rest = rewritten(path)
    written_meanwhile([half] * halves + [half + rest])
    assert [getattr(row, "user_name", None) for row in LOOK_UPS[look_up](backend)] == ["user2"]


@pytest.mark.parametrize("half", [b"", b"id,user"])
def test_less_than_half_a_file_is_not_taken_for_damage(
    path: Path, backend: CSVBackend, written_meanwhile: Foreign, half: bytes
) -> None:
    """So it is if the file has just been emptied, or its end is in the middle of a row."""
    written_meanwhile([half, b"".join(rewritten(path))])
    assert backend.load("2") is not None


def test_a_save_waits_for_it_too(path: Path, backend: CSVBackend, written_meanwhile: Foreign) -> None:
    """And keeps what the other program has written."""
    half, rest = rewritten(path)
    written_meanwhile([half, half + rest])
    backend.write(Row("9"), expect=None)
    assert [row.id for row in backend.scan()] == ["0", "1", "2", "9"]


@pytest.mark.parametrize("what", ["other tokens", "the same half", "nothing"])
def test_a_program_that_never_stops_writing(
    path: Path, backend: CSVBackend, written_meanwhile: Foreign, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Then a look-up ends after a bounded time, and says what to stop; it never guesses."""
    monkeypatch.setattr(backend._file, "_quiet_timeout", 0.3)
    half, rest = rewritten(path)
    whole = half + rest
    contents = {
        "other tokens": (whole.replace(b"access-1", b"access-%d" % number) for number in itertools.count()),
        "the same half": itertools.repeat(half),
        "nothing": itertools.repeat(b""),
    }
    written_meanwhile(contents[what])
    began = time.monotonic()
    with pytest.raises(BackendTimeoutError, match=r"takes no lock.*stop that program"):
        backend.load("0")
    assert time.monotonic() - began < 5
    written_meanwhile([whole])
    assert backend.load("2") is not None


def test_a_foreign_save_between_reading_and_replacing(
    path: Path, backend: CSVBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another program writes while ours is being flushed is not overwritten: all begins again."""
    native, times = os.fsync, [0]

    def flush_and_be_overtaken(handle: int) -> None:
        native(handle)
        times[0] += 1
        if times[0] == 1:
            with path.open("a", newline="") as file:
                file.write("77,late,,,,,,,,\r\n")

    monkeypatch.setattr(os, "fsync", flush_and_be_overtaken)
    backend.write(Row("9"), expect=None)
    assert times[0] > 2
    assert [row.id for row in backend.scan()] == ["0", "1", "2", "77", "9"]


def test_overtaken_for_ever(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A save that is overtaken every time ends after the timeout, and leaves no new file behind."""
    backend = CSVBackend(path, timeout=0.3)
    native = os.fsync

    def flush_and_be_overtaken(handle: int) -> None:
        native(handle)
        with path.open("a", newline="") as file:
            file.write(f"{time.time_ns()},late,,,,,,,,\r\n")

    monkeypatch.setattr(os, "fsync", flush_and_be_overtaken)
    with pytest.raises(BackendTimeoutError, match="takes no lock"):
        backend.write(Row("9"), expect=None)
    assert support.beside(path) == {"*.lock", "*.leases.lock"}


def test_threads_read_a_change_once(path: Path, backend: CSVBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight threads that meet a changed file parse it once between them, if it is settled."""
    parsed = []

    def counting(data: bytes, location: str) -> Any:
        parsed.append(location)
        time.sleep(0.02)
        return content.parse(data, location)

    support.reopen(path.parent).write(Row("9"), expect=None)
    time.sleep(0.11)
    monkeypatch.setattr(tokenfile, "parse", counting)
    threads = [threading.Thread(target=backend.load, args=("9",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(parsed) == 1


@pytest.mark.timeout(10)
def test_a_look_up_amid_another_one(path: Path, backend: CSVBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal's handler may look a token up while its own thread reads the file."""
    settle(backend)
    support.edit(path, "access-1", "access-2")
    seen: list[Any] = []

    def interrupted(*arguments: Any) -> Any:
        monkeypatch.setattr(tokenfile, "parse", content.parse)
        seen.append(backend.load("1"))
        return content.parse(*arguments)

    monkeypatch.setattr(tokenfile, "parse", interrupted)
    seen.append(backend.load("1"))
    assert [row and row.access_token for row in seen] == ["access-2"] * 2
