"""The file is the file: where it lies, whose it is, and that it is still the one that was opened."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.sqlite.conftest import FIXTURE
from tests.sqlite.tokens import query
from tests.support.processes import NOBODY, public_folder, without_rights
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.errors import BackendError, BackendUnavailableError, ConfigurationError
from zoho_tokenstore.records import RetiredId, Row

pytestmark = [
    pytest.mark.clear,  # some of its files are those of Zoho's sample
    pytest.mark.skipif(os.name == "nt", reason="Windows locks open files, and has other rights"),
]
AS_ROOT: Final = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can make files of other users"
)
SOMEBODY: Final = 1234
BESIDE: Final = ("-wal", "-shm", "-journal")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens.db"


@pytest.fixture
def backend(path: Path) -> Iterator[SQLiteBackend]:
    opened = SQLiteBackend(path)
    opened.write(Row("1", user_name="ann"), expect=None)
    yield opened
    opened.close()


# Mounted by itself

MOUNTED: Final = """
import subprocess, sys
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.errors import BackendUnavailableError
what, where, path = sys.argv[1:]
subprocess.run(["mount", "--bind", what, where], check=True)
try:
    backend = SQLiteBackend(path)
except BackendUnavailableError as error:
    print(error)
else:
    print(len(list(backend.scan())), "rows")
    backend.close()
"""


def opened_where_mounted(what: Path, where: Path, path: Path) -> str:
    """What opening says in a mount namespace of its own, where one file or folder is mounted on another."""
    command = ["unshare", "--mount", sys.executable, "-c", MOUNTED, str(what), str(where), str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        trouble = done.stderr if done.returncode else ""
    except FileNotFoundError as error:
        trouble = str(error)
    if trouble and not os.environ.get("CI"):
        pytest.skip(f"this system lets nobody mount here: {trouble.strip()}")
    assert not trouble
    return done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="mount namespaces are Linux's")
@pytest.mark.parametrize("name", ["tokens.db", "a b\\c\td.db", "Zoë.db"])
def test_a_file_that_is_mounted_by_itself_is_refused(tmp_path: Path, name: str) -> None:
    """Each container would have a log of its own for it; the message says to mount the folder."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    SQLiteBackend(here / name).close()
    (there / name).touch()
    said = opened_where_mounted(here / name, there / name, there / name)
    assert "is mounted by itself" in said
    assert "Mount the folder that holds it instead" in said
    assert (there / name).stat().st_size == 0


@pytest.mark.skipif(sys.platform != "linux", reason="mount namespaces are Linux's")
def test_a_file_in_a_mounted_folder_is_opened(tmp_path: Path) -> None:
    """The way out works."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    SQLiteBackend(here / "tokens.db").close()
    assert opened_where_mounted(here, there, there / "tokens.db") == "0 rows\n"


def test_a_file_with_two_names_is_refused(path: Path) -> None:
    """By each of them it would have another log; the message says how to find the other."""
    SQLiteBackend(path).close()
    path.with_name("copy.db").hardlink_to(path)
    with pytest.raises(BackendUnavailableError, match=r"has 2 names \(hard links\).*find / -samefile"):
        SQLiteBackend(path, timeout=0.1)
    path.with_name("copy.db").unlink()
    SQLiteBackend(path).close()


# Deleted or replaced under an open store

REPLACED: Final = "has been deleted or replaced since this store was opened.* Reopen the store"


def delete(path: Path) -> None:
    path.unlink()


def delete_all(path: Path) -> None:
    for file in list(path.parent.iterdir()):
        file.unlink()


def delete_log(path: Path) -> None:
    path.with_name("tokens.db-wal").unlink()


def delete_index(path: Path) -> None:
    path.with_name("tokens.db-shm").unlink()


def renew(path: Path) -> None:
    delete_all(path)
    SQLiteBackend(path).close()


def delete_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


def replace(path: Path) -> None:
    SQLiteBackend(path.with_name("another.db")).close()
    path.with_name("another.db").replace(path)


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replace_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name(f"{path.parent.name} away"))
    path.parent.mkdir()
    SQLiteBackend(path).close()


LOSSES: Final = [
    delete, delete_all, delete_folder, replace, replace_by_folder, replace_folder, renew,
]  # fmt: skip

CHANGES: Final[dict[str, Callable[[SQLiteBackend], object]]] = {
    "insert": lambda backend: backend.write(Row("2"), expect=None),
    "rehearse": lambda backend: backend.rehearse(Row("2"), expect=None),
    "remove": lambda backend: backend.remove("1"),
    "clear": lambda backend: backend.clear(),
    "retire": lambda backend: backend.retired.add([RetiredId("3", 1)]),
    "prune": lambda backend: backend.retired.prune(1),
    "new lease": lambda backend: backend.leases.replace("name", "", "text", 1000),
    "replaced lease": lambda backend: backend.leases.replace("name", "text", "next", 1000),
}


@pytest.mark.parametrize("age", [0, 60], ids=["busy_folder", "quiet_folder"])
@pytest.mark.parametrize("lose", LOSSES, ids=lambda lose: lose.__name__)
def test_a_save_into_a_lost_file_is_not_acknowledged(
    backend: SQLiteBackend, path: Path, lose: Callable[[Path], None], age: int
) -> None:
    """It raises, and says what happened; another save does, too. Also where nothing changed for long."""
    then = time.time() - age
    os.utime(path.parent, (then, then))
    backend.write(Row("3"), expect=None)
    known = backend.load("1")
    assert known is not None
    lose(path)
    with pytest.raises(BackendUnavailableError, match=REPLACED):
        backend.write(known._replace(access_token="lost"), expect=known.etag)
    with pytest.raises(BackendError):
        backend.write(Row("2"), expect=None)


@pytest.mark.parametrize("lose", [delete_log, delete_index], ids=lambda lose: lose.__name__)
def test_a_save_into_a_lost_log_is_not_acknowledged(
    backend: SQLiteBackend, path: Path, lose: Callable[[Path], None]
) -> None:
    """Others would begin another one; the store does so, too, for the next save."""
    lose(path)
    with pytest.raises(BackendUnavailableError, match=REPLACED):
        backend.write(Row("2"), expect=None)
    backend.write(Row("3"), expect=None)
    with contextlib.closing(SQLiteBackend(path)) as another:
        assert "3" in [row.id for row in another.scan()]


@pytest.mark.parametrize("change", CHANGES)
def test_no_change_in_a_lost_file_is_acknowledged(backend: SQLiteBackend, path: Path, change: str) -> None:
    """Whatever is changed, or only rehearsed; leases too, so that no code is spent for a lost file."""
    delete(path)
    with pytest.raises(BackendUnavailableError, match=REPLACED):
        CHANGES[change](backend)


def test_no_thread_reads_a_lost_file_once_it_is_noticed(backend: SQLiteBackend, path: Path) -> None:
    """One thread's save notices: from then on nobody's look-up answers from it, and none from the new one."""
    answers: list[object] = []
    read, noticed = threading.Event(), threading.Event()

    def look() -> None:
        answers.append(backend.load("1"))
        read.set()
        noticed.wait(10)
        for use in (
            lambda: backend.load("1"),
            lambda: list(backend.scan()),
            lambda: backend.find("user_name", "ann"),
        ):
            try:
                answers.append(use())
            except BackendUnavailableError:
                answers.append("refused")

    thread = threading.Thread(target=look)
    thread.start()
    assert read.wait(10)
    renew(path)
    with pytest.raises(BackendUnavailableError):
        backend.write(Row("2"), expect=None)
    noticed.set()
    thread.join()
    assert isinstance(answers[0], Row)
    assert answers[1:] == ["refused"] * 3
    assert query(path, "SELECT * FROM oauthtoken") == []


def test_a_file_that_is_back_is_used_again(backend: SQLiteBackend, path: Path) -> None:
    """It was away for a moment; nothing of it was lost, and the same store goes on."""
    for file in list(path.parent.iterdir()):
        file.rename(path.parent.parent / f"away-{file.name}")
    with pytest.raises(BackendUnavailableError, match=REPLACED):
        backend.write(Row("2"), expect=None)
    (path.parent.parent / "away-tokens.db").rename(path)
    if (path.parent.parent / "away-tokens.db-wal").exists():
        (path.parent.parent / "away-tokens.db-wal").rename(path.with_name("tokens.db-wal"))
    assert backend.load("1") is not None
    backend.write(Row("3"), expect=None)
    with contextlib.closing(SQLiteBackend(path)) as another:
        assert {row.id for row in another.scan()} >= {"1", "3"}


# Whose the files are


def refusal(path: Path) -> str:
    """What opening says, or that it works."""
    try:
        SQLiteBackend(path, timeout=0.2).close()
    except BackendUnavailableError as error:
        return str(error)
    return "opened"


def own(path: Path, owner: int, mode: int, group: int | None = None) -> Path:
    os.chown(path, owner, owner if group is None else group)
    path.chmod(mode)
    return path


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user can reach."""
    with public_folder() as opened:
        opened.chmod(0o755)
        yield opened


@pytest.fixture
def made(folder: Path) -> Path:
    """A closed database in it."""
    path = folder / "tokens.db"
    SQLiteBackend(path).close()
    return path


@pytest.mark.parametrize("exists", [False, True])
def test_a_folder_that_everybody_may_write_is_refused(folder: Path, exists: bool) -> None:
    """Also a folder of one's own, and before anything is made in it; the message has the command."""
    path = folder / "tokens.db"
    if exists:
        shutil.copyfile(FIXTURE, path)
    before = [(file.name, file.read_bytes()) for file in folder.iterdir()]
    folder.chmod(0o777)
    said = refusal(path)
    assert "Every user may write to the folder" in said
    assert f"Run: chmod o-w '{folder}'" in said
    assert [(file.name, file.read_bytes()) for file in folder.iterdir()] == before
    folder.chmod(0o755)
    assert refusal(path) == "opened"


@AS_ROOT
@pytest.mark.parametrize("suffix", ["", *BESIDE])
def test_what_another_user_has_put_into_a_common_folder_is_refused(made: Path, suffix: str) -> None:
    """As in /tmp: he could read, as its owner, what is written to it. It is named, and left as it is."""
    made.parent.chmod(0o1777)
    planted = made.with_name(made.name + suffix)
    planted.touch()
    own(planted, SOMEBODY, 0o666)
    for said in (refusal(made), without_rights(lambda: refusal(made))):
        assert f"{planted} belongs to another user (id {SOMEBODY})" in said
        assert "chown" in said
    if suffix:
        assert planted.stat().st_size == 0


@AS_ROOT
def test_a_database_of_ones_own_in_a_common_folder_is_opened(folder: Path) -> None:
    """The sticky bit keeps others from replacing it."""
    folder.chmod(0o1777)
    assert without_rights(lambda: refusal(folder / "tokens.db")) == "opened"
    assert without_rights(lambda: refusal(folder / "tokens.db")) == "opened"


@AS_ROOT
@pytest.mark.parametrize("suffix", ["", *BESIDE])
def test_another_users_file_in_ones_own_folder_is_refused(made: Path, suffix: str) -> None:
    """The message has the command that mends it, with the number of the user that runs this."""
    own(made.parent, NOBODY, 0o755)
    own(made, NOBODY, 0o600)
    planted = made.with_name(made.name + suffix)
    planted.touch()
    own(planted, SOMEBODY, 0o666)
    said = without_rights(lambda: refusal(made))
    assert f"{planted} belongs to another user (id {SOMEBODY})" in said
    assert f"chown {NOBODY} '{planted}'" in said
    own(planted, NOBODY, 0o600)
    assert without_rights(lambda: refusal(made)) == "opened"


@AS_ROOT
def test_a_database_is_shared_through_a_group(made: Path) -> None:
    """Owned by another user, it is opened where group, mode and folder say that this is meant."""
    own(made.parent, SOMEBODY, 0o770, NOBODY)
    own(made, SOMEBODY, 0o660, NOBODY)
    assert without_rights(lambda: refusal(made)) == "opened"
    own(made, SOMEBODY, 0o660, SOMEBODY)
    made.parent.chmod(0o775)
    assert "belongs to another user" in without_rights(lambda: refusal(made))


@AS_ROOT
def test_root_opens_a_users_database_in_that_users_folder(made: Path) -> None:
    """As with sudo, or in a container that runs as root with a volume of the host's user."""
    own(made.parent, SOMEBODY, 0o755)
    own(made, SOMEBODY, 0o600)
    backend = SQLiteBackend(made)
    backend.write(Row("1"), expect=None)
    owners = {file.stat().st_uid for file in made.parent.iterdir()}
    backend.close()
    assert owners == {SOMEBODY}


@AS_ROOT
def test_a_database_that_others_can_read_and_only_root_can_close_is_refused(made: Path) -> None:
    """Then its owner is told what to run."""
    own(made.parent, NOBODY, 0o755)
    made.chmod(0o666)
    assert f"chmod o-rwx '{made}'" in without_rights(lambda: refusal(made))


@pytest.mark.parametrize(
    ("mode", "becomes"),
    [(0o644, 0o600), (0o666, 0o660), (0o604, 0o600), (0o664, 0o660), (0o660, 0o660), (0o640, 0o640)],
)
@pytest.mark.parametrize("kind", ["ours", "published"])
def test_a_file_that_others_can_read_is_closed_and_told(
    path: Path, kind: str, mode: int, becomes: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A group that may write keeps its rights. The log says what the mode was, once."""
    if kind == "ours":
        SQLiteBackend(path).close()
    else:
        shutil.copyfile(FIXTURE, path)
    path.chmod(mode)
    with caplog.at_level(logging.WARNING, "zoho_tokenstore"):
        SQLiteBackend(path).close()
        SQLiteBackend(path).close()
    assert path.stat().st_mode & 0o777 == becomes
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == (1 if mode & 0o007 else 0)
    assert all(f"Every user could read {path} (mode {mode:04o})" in line for line in told)


def test_a_log_that_others_can_read_is_closed(backend: SQLiteBackend, path: Path) -> None:
    """It holds the newest tokens, and SQLite leaves an existing one as it is."""
    log = path.with_name("tokens.db-wal")
    log.chmod(0o644)
    SQLiteBackend(path).close()
    assert log.stat().st_mode & 0o777 == 0o600
    assert backend.load("1") is not None


# Arguments


@pytest.mark.parametrize(
    "text",
    ["sqlite:///a.db", "sqlite:a.db", "file:a.db?mode=ro", "SQLite:////var/a.db", "postgresql://localhost/a"],
)
def test_a_url_is_no_path(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused with both ways out; otherwise a folder named `sqlite:` would be missing."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ConfigurationError, match=r"not a URL. Open a URL with open_store\(url\), or pass the path"
    ):
        SQLiteBackend(text)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), "30", None, True])
def test_a_timeout_is_a_number_of_seconds(path: Path, timeout: float) -> None:
    """It is looked at when it is given, and before anything is made."""
    with pytest.raises(ConfigurationError, match="number of seconds above zero"):
        SQLiteBackend(path, timeout=timeout)
    assert not path.exists()


@pytest.mark.parametrize("path", [None, 5, b"a.db", ""])
def test_a_path_is_a_text(path: str) -> None:
    """Anything else is told with a sentence of ours."""
    with pytest.raises(ConfigurationError, match="must be a non-empty string"):
        SQLiteBackend(path)
