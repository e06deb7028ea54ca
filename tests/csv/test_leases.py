"""Leases beside the file: its bytes, and a file that broke. The rest is in the contract of all leases."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.csv import support
from tests.csv.support import NAME, beside, open_tokens, token
from tests.unit.renewal.support import NOW, FakeClock
from zoho_tokenstore.backends.csv import CSVBackend
from zoho_tokenstore.backends.csv._leases import CSVLeases
from zoho_tokenstore.errors import BackendError, BackendUnavailableError

KEEP_MS = 60_000

USES: dict[str, Callable[[CSVLeases], object]] = {
    "read": lambda leases: leases.read("a"),
    "replace": lambda leases: leases.replace("a", "", "one", KEEP_MS),
}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / NAME


@pytest.fixture
def backend(path: Path, clock: FakeClock) -> Iterator[CSVBackend]:
    backend = CSVBackend(path)
    backend.leases._clock = clock
    yield backend
    backend.close()


@pytest.fixture
def file(path: Path) -> Path:
    return path.with_name(f"{NAME}.leases")


def test_every_byte_of_the_file(backend: CSVBackend, file: Path, clock: FakeClock) -> None:
    """JSON: text and time under each name, without what need not be kept. At first there is no file."""
    assert backend.leases.read("a").text == ""
    assert not file.exists()
    backend.leases.replace("a", "", "one", KEEP_MS)
    clock.now += KEEP_MS
    backend.leases.replace("b", "", "two", 1)
    assert file.read_bytes() == f'{{"a": ["one", {NOW + KEEP_MS}], "b": ["two", {clock.now + 1}]}}'.encode()
    clock.now += 1
    backend.leases.replace("b", "two", "three", KEEP_MS)
    assert file.read_bytes() == f'{{"b": ["three", {clock.now + KEEP_MS}]}}'.encode()


def test_a_refused_text_is_not_written(backend: CSVBackend, file: Path) -> None:
    """Who comes too late changes nothing."""
    backend.leases.replace("a", "", "one", KEEP_MS)
    before = file.stat().st_ino
    assert not backend.leases.replace("a", "zero", "two", KEEP_MS)
    assert file.stat().st_ino == before


BROKEN = {
    "nothing": b"",
    "half": b'{"a": ["one", 170000',
    "no object": b"[1, 2]",
    "no list": b'{"a": 1}',
    "a short list": b'{"a": ["one"]}',
    "a wrong kind": b'{"a": ["one", "1"]}',
    "no text": b"\xff\xfe\x00",
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("use", USES)
def test_a_broken_file_is_put_aside_aloud(
    path: Path, backend: CSVBackend, file: Path, name: str, use: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is kept under another name, the log says so once, leases begin anew, and no token is touched."""
    with open_tokens(path) as tokens:
        saved = tokens.save(token("alice"))
    file.write_bytes(BROKEN[name])
    with caplog.at_level(logging.ERROR, "zoho_tokenstore"):
        USES[use](backend.leases)
        was = backend.leases.read("a").text
        assert backend.leases.replace("a", was, "two", KEEP_MS)
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
