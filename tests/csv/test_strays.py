"""What a process leaves that was killed while it wrote, and how it goes away."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.csv import support
from tests.csv.support import NAME, beside, open_tokens, token
from zoho_tokenstore.backends.csv import CSVBackend

STRAYS = [f".{NAME}.0123456789abcdef.new", f".{NAME}.leases.0123456789abcdef.new"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / NAME
    open_tokens(path).save(token("alice"))
    return path


@pytest.mark.parametrize("name", STRAYS)
@pytest.mark.parametrize("way", ["opening", "scrub"])
def test_a_version_that_never_took_its_place_is_removed(path: Path, name: str, way: str) -> None:
    """Whatever its age: who finds it holds the lock, so nobody is writing it. The tokens stay."""
    backend = CSVBackend(path)
    stray = path.with_name(name)
    stray.write_text("1000.very-secret")
    if way == "scrub":
        backend.scrub()
    else:
        support.reopen(path.parent)
    assert not stray.exists()
    assert len(list(backend.scan())) == 1


@pytest.mark.parametrize(
    "name",
    [
        ".other.txt.0123456789abcdef.new",
        f"{NAME}.0123456789abcdef.new",
        f".{NAME}.new",
        f".{NAME}.0123456789abcdef.newer",
        f".{NAME}.0123456789abcdeX.new",
        f".{NAME}.backup",
        f".{NAME}.leases.backup",
        f"{NAME}.leases.broken",
    ],
)
def test_other_peoples_files_are_left_alone(path: Path, name: str) -> None:
    """Only the names that a save makes for these files are its leftovers."""
    other = path.with_name(name)
    other.write_text("mine")
    CSVBackend(path).scrub()
    assert other.read_text() == "mine"


def test_a_link_by_such_a_name_is_removed_and_not_followed(path: Path) -> None:
    """What it leads to stays as it is."""
    mine = path.with_name("mine")
    mine.write_text("mine")
    path.with_name(STRAYS[0]).symlink_to(mine)
    CSVBackend(path)
    assert mine.read_text() == "mine"
    assert beside(path) == {"*.lock", "*.leases.lock", "mine"}
