"""Nobody but the owner can read the files, at no moment; what a group was given it keeps."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.csv import support
from tests.csv.support import FIXTURE, NAME, open_tokens, token
from tests.support import Faults, os_faults
from tests.support.processes import NOBODY, public_folder, without_rights
from zoho_tokenstore.backends.csv import CSVBackend
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.records import Row

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has other rights: the folder's")
NEEDS_ROOT = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away"
)
TTL = 30_000


@contextlib.contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / NAME


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[set[tuple[str, int]]]:
    """The files that ever were in the folder, and their rights before every single file operation."""
    rights: set[tuple[str, int]] = set()

    def look(_faults: Faults, _operation: str, _name: str) -> None:
        rights.update((kind(file.name), file.stat().st_mode & 0o777) for file in tmp_path.iterdir())

    with os_faults(directory=tmp_path):
        monkeypatch.setattr(Faults, "strike", look)
        yield rights


def kind(name: str) -> str:
    """What a file is, without the random part of a new version's name."""
    return f"{name.split(NAME)[1][:-21]}.new" if name.endswith(".new") else name.removeprefix(NAME)


def use(path: Path) -> None:
    tokens = open_tokens(path)
    saved = tokens.save(token("alice"))
    tokens.save(token("alice", "access-2"))
    assert tokens.leases.replace("a", "", "one", TTL)
    tokens.delete(saved.id or "")
    tokens.close()


def rights(path: Path) -> set[int]:
    return {file.stat().st_mode & 0o777 for file in path.parent.iterdir()}


ALL = ("", ".lock", ".leases", ".leases.lock", ".retired", ".new", ".leases.new", ".retired.new")


@pytest.mark.parametrize("mask", [0, 0o077])
def test_new_files_are_the_owners_alone_at_every_moment(
    path: Path, seen: set[tuple[str, int]], mask: int
) -> None:
    """With umask 0, which allows everything, none ever has more than 0600."""
    with umask(mask):
        use(path)
    assert seen == {(name, 0o600) for name in ALL}


@pytest.mark.clear
def test_a_file_of_the_sdk_is_closed_to_others(path: Path, seen: set[tuple[str, int]]) -> None:
    """World-readable as FileStore leaves it, it is closed before it is read; its group could only read."""
    shutil.copyfile(FIXTURE, path)
    path.chmod(0o644)
    with umask(0):
        use(path)
    modes = {name: {mode for other, mode in seen if other == name} for name, _ in seen}
    assert modes.pop("") == {0o644, 0o600}
    assert set().union(*modes.values()) == {0o600}
    assert rights(path) == {0o600}


def test_closing_a_file_is_told(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Once, with the mode that it had: whoever has read it still has the secrets."""
    open_tokens(path).close()
    path.chmod(0o604)
    for _ in range(2):
        open_tokens(path).close()
    (told,) = caplog.messages
    assert f"Every user could read {path} (mode 0604)" in told


def test_new_versions_are_created_with_their_final_rights(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By construction: with 0600 and O_EXCL, not narrowed afterwards."""
    created: list[tuple[str, bool, int]] = []
    native = os.open

    def recording(path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        if flags & os.O_CREAT:
            created.append((kind(Path(path).name), bool(flags & os.O_EXCL), mode))
        return native(path, flags, mode, **more)

    monkeypatch.setattr(os, "open", recording)
    monkeypatch.setattr(os, "chmod", None)
    monkeypatch.setattr(os, "fchmod", None)
    backend = CSVBackend(path)
    backend.write(Row("1"), expect=None)
    backend.leases.replace("a", "", "one", TTL)
    assert set(created) == {(name, True, 0o600) for name in (".lock", ".leases.lock", ".new", ".leases.new")}


def test_rights_that_the_owner_gives_to_a_group_are_kept(path: Path) -> None:
    """Also by new versions of the file and by new leases; others are shut out at the next save."""
    open_tokens(path).close()
    for file in path.parent.iterdir():
        file.chmod(0o666)
    use(path)
    path.chmod(0o660)
    use(path)
    assert path.stat().st_mode & 0o777 == path.with_name(f"{NAME}.leases").stat().st_mode & 0o777 == 0o660


def test_a_file_of_ours_is_closed_to_others_when_it_is_opened(path: Path) -> None:
    """A copy that was put back from a backup may be open to all."""
    open_tokens(path).close()
    path.chmod(0o664)
    open_tokens(path)
    assert path.stat().st_mode & 0o777 == 0o660


@NEEDS_ROOT
@pytest.mark.clear
def test_owner_and_group_are_kept(path: Path) -> None:
    """What root saves in somebody's file stays his: file, leases, and locks that did not exist yet."""
    shutil.copyfile(FIXTURE, path)
    path.chmod(0o660)
    os.chown(path, NOBODY, 12345)
    use(path)
    owners = {(file.stat().st_uid, file.stat().st_gid) for file in path.parent.iterdir()}
    assert owners == {(NOBODY, 12345)}
    assert path.stat().st_mode & 0o777 == 0o660


@NEEDS_ROOT
def test_a_group_that_cannot_be_given_gets_nothing() -> None:
    """An owner who is not in the file's group: the new version is his alone, and not another group's."""
    with shared_folder() as folder:
        path = folder / NAME
        open_tokens(path).close()
        for file in folder.iterdir():
            os.chown(file, NOBODY, 12345)
            file.chmod(0o660)

        def save() -> str:
            open_tokens(path).save(token("alice"))
            stat = path.stat()
            return f"{stat.st_uid} {stat.st_mode & 0o777:o}"

        assert without_rights(save) == f"{NOBODY} 600"


@NEEDS_ROOT
def test_two_users_of_one_group_share_the_file() -> None:
    """With 0660 and a folder of the group, as the page tells: who saves becomes the owner, both go on."""
    with shared_folder() as folder:
        path = folder / NAME
        use(path)
        for file in folder.iterdir():
            os.chown(file, 4321, NOBODY)
            file.chmod(0o660)

        def save() -> str:
            open_tokens(path).save(token("bob"))
            stat = path.stat()
            return f"{stat.st_uid} {stat.st_gid} {stat.st_mode & 0o777:o}"

        assert without_rights(save) == f"{NOBODY} {NOBODY} 660"


@contextlib.contextmanager
def shared_folder(mode: int = 0o770) -> Iterator[Path]:
    """A folder of root's that the group of a user without rights may write."""
    with public_folder() as folder:
        folder.chmod(mode)
        os.chown(folder, -1, NOBODY)
        yield folder


def refusal(path: Path) -> str:
    """What opening and saving says to a user without rights."""
    try:
        open_tokens(path, timeout=1).save(token("bob"))
    except BackendError as error:
        return f"{type(error).__name__}: {error}"
    return "saved"


@NEEDS_ROOT
def test_a_user_without_rights_is_refused() -> None:
    """Nothing readable, a read-only file, a read-only folder: each says what to give, and changes nothing."""
    with shared_folder() as folder:
        path = folder / NAME
        use(path)
        before = path.read_bytes()
        assert "access is denied. Give this user" in without_rights(lambda: refusal(path))
        for file in folder.iterdir():
            os.chown(file, -1, NOBODY)
            file.chmod(0o660)
        path.chmod(0o640)
        assert "is read-only. Give this user permission to write the file and its folder" in without_rights(
            lambda: refusal(path)
        )
        path.chmod(0o660)
        folder.chmod(0o750)
        said = without_rights(lambda: refusal(path))
        assert said.startswith("BackendUnavailableError")
        assert "is read-only. Give this user" in said
        assert path.read_bytes() == before
        assert len(list(folder.iterdir())) == 5


@NEEDS_ROOT
def test_a_file_that_is_made_read_only_while_it_is_open() -> None:
    """It is not replaced, although the folder would allow it; reading goes on."""
    with shared_folder() as folder:
        path = folder / NAME

        def work() -> str:
            backend = CSVBackend(path)
            backend.write(Row("1"), expect=None)
            path.chmod(0o400)
            try:
                backend.write(Row("2"), expect=None)
            except BackendError as error:
                assert backend.load("1") is not None
                return f"{error} {path.stat().st_mode & 0o777:o}"
            return "saved"

        said = without_rights(work)
        assert "is read-only" in said
        assert said.endswith(" 400")


def test_support_runs_as_a_user(path: Path) -> None:
    """A user with rights is not refused by what the tests above rely on."""
    support.make(path.parent)
    with shared_folder(0o770 if os.geteuid() == 0 else 0o700) as folder:
        assert without_rights(lambda: refusal(folder / NAME)) == "saved"
