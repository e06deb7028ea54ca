"""The file is the file: one that is mounted, replaced, or surrounded by somebody else's is not trusted."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.csv import support
from tests.csv.support import NAME
from tests.support.processes import NOBODY, public_folder
from zoho_tokenstore.backends.csv import CSVBackend
from zoho_tokenstore.errors import BackendError, BackendUnavailableError
from zoho_tokenstore.records import Row

pytestmark = [
    pytest.mark.clear,  # its rows are those of a backend alone
    pytest.mark.skipif(os.name == "nt", reason="Windows has other rights: the folder's"),
]
NEEDS_ROOT = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away, and mounts them"
)
BESIDE = (".lock", ".leases", ".leases.lock", ".retired")
KEPT_DESTINATION = (f".{NAME}.0123456789abcdef.new", f".{NAME}.retired.0123456789abcdef.new")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / NAME


@pytest.fixture
def everybodys() -> Iterator[Path]:
    """A folder like /tmp: everybody may create files in it, and nobody remove another's."""
    with public_folder() as folder:
        folder.chmod(0o1777)
        yield folder


@NEEDS_ROOT
def test_a_file_that_is_mounted_by_itself(path: Path, tmp_path: Path) -> None:
    """As into a container: it cannot be replaced, and has other locks beside it there. Refused at opening."""
    CSVBackend(path).close()
    (tmp_path / "container").mkdir()
    mounted = tmp_path / "container" / NAME
    mounted.touch()
    made = subprocess.run(["mount", "--bind", path, mounted], capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"this system lets nobody mount: {made.stderr.decode().strip()}")
    try:
        with pytest.raises(BackendUnavailableError, match=r"mounted by itself.*Mount the folder"):
            CSVBackend(mounted)
        assert [file.name for file in mounted.parent.iterdir()] == [NAME]
    finally:
        subprocess.run(["umount", mounted], check=True)


@NEEDS_ROOT
@pytest.mark.parametrize("name", [NAME, *(f"{NAME}{end}" for end in BESIDE), *KEPT_DESTINATION])
def test_a_file_of_another_user_in_everybodys_folder(everybodys: Path, name: str) -> None:
    """Whoever put it there could read what we write, or make us wait: refused, with its name; it stays."""
    planted = everybodys / name
    planted.touch()
    os.chown(planted, NOBODY, NOBODY)
    with pytest.raises(BackendUnavailableError, match=rf"{planted} belongs to another user.*move it away"):
        CSVBackend(everybodys / NAME)
    assert [file.name for file in everybodys.iterdir()] == [name]


@NEEDS_ROOT
def test_another_users_file_in_the_place_of_an_open_one(everybodys: Path) -> None:
    """No token is written into it, and a rehearsal says so before one is fetched."""
    path = everybodys / NAME
    backend = CSVBackend(path)
    etag = backend.write(Row("1"), expect=None)
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)
    os.chown(path, NOBODY, NOBODY)
    for call in (backend.write, backend.rehearse):
        with pytest.raises(BackendUnavailableError, match="belongs to another user"):
            call(Row("1", "alice"), expect=etag)
    assert path.read_bytes() == data


def test_a_folder_that_everybody_may_write(path: Path) -> None:
    """There everybody may replace the file: refused, with the command that mends it."""
    path.parent.chmod(0o777)
    with pytest.raises(BackendUnavailableError, match=r"Every user may write to the folder.*chmod o-w"):
        CSVBackend(path)
    path.parent.chmod(0o700)
    CSVBackend(path)


def test_a_file_that_is_deleted_under_an_open_store(path: Path) -> None:
    """Nothing is acknowledged: a rehearsal fails like the save, and no new file is begun."""
    backend = CSVBackend(path)
    etag = backend.write(Row("1"), expect=None)
    path.unlink()
    for call in (backend.write, backend.rehearse):
        with pytest.raises(BackendUnavailableError, match="it is gone"):
            call(Row("1", "alice"), expect=etag)
    with pytest.raises(BackendUnavailableError, match="it is gone"):
        backend.remove("1")
    assert not path.exists()


def test_a_folder_that_is_deleted_under_an_open_store(path: Path) -> None:
    """Likewise, whether the folder is gone or another one has its name."""
    backend = CSVBackend(path)
    backend.write(Row("1"), expect=None)
    shutil.rmtree(path.parent)
    for _ in range(2):
        with pytest.raises(BackendUnavailableError, match="it is gone"):
            backend.write(Row("2"), expect=None)
        path.parent.mkdir(exist_ok=True)


@pytest.mark.parametrize("meanwhile", ["replaced", "deleted"])
def test_a_file_that_is_exchanged_while_a_save_is_flushed(
    path: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    """What another program moves over our new version is not ours: the save is done again, or fails."""
    backend, other = CSVBackend(path), path.with_name("other.txt")
    CSVBackend(other).write(Row("others"), expect=None)
    native, times = os.replace, [0]

    def replace_and_be_overtaken(source: Any, target: Any) -> None:
        native(source, target)
        times[0] += 1
        if times[0] == 1 and meanwhile == "replaced":
            native(other, path)
        elif times[0] == 1:
            path.unlink()

    monkeypatch.setattr(os, "replace", replace_and_be_overtaken)
    if meanwhile == "deleted":
        with pytest.raises(BackendUnavailableError, match="it is gone"):
            backend.write(Row("1"), expect=None)
        return
    backend.write(Row("1"), expect=None)
    assert [row.id for row in support.reopen(path.parent).scan()] == ["1", "others"]


def test_a_rehearsal_sees_a_full_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new version needs room beside the old one."""
    backend = CSVBackend(path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 4096))
    with pytest.raises(BackendUnavailableError, match="the disk is full") as refused:
        backend.rehearse(Row("1"), expect=None)
    assert isinstance(refused.value.__cause__, OSError)
    assert refused.value.__cause__.errno == errno.ENOSPC


def test_a_rehearsal_sees_what_a_save_would(path: Path) -> None:
    """Of two that begin alike, the first to save wins: the other's rehearsal says that it came late."""
    backend = CSVBackend(path)
    row = Row("1", access_token="x" * 200_000)
    with pytest.raises(BackendError, match="more than 131,072 characters"):
        backend.rehearse(row, expect=None)
    backend.close()
    with pytest.raises(BackendError, match="has been closed"):
        backend.rehearse(Row("1"), expect=None)
