"""What is wrong with the files of a store, or with where they are."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.doctor.support import KEY, csv, examined, fill, login, mounted, names, sqlite
from tests.support.processes import without_rights
from zoho_tokenstore._util import mounts
from zoho_tokenstore.doctor import Severity

NEEDS_ROOT = pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can make this fault")
NOBODY = 65534
LEGACY = Path(__file__).parents[1] / "fixtures" / "legacy"

each_kind = pytest.mark.parametrize("make", [sqlite, csv], ids=["sqlite", "csv"])


@each_kind
def test_a_store_that_is_not_there(folder: Path, make: object) -> None:
    """It is named, nothing is created, and what could not be checked is not called healthy."""
    report = examined(make(folder))  # type: ignore[operator]
    assert names(report) == ["store-missing"]
    assert not report.is_healthy
    assert {"rows-do-not-open", "schema-older", "durability", "clock-skew"} <= set(report.not_checked)
    assert list(folder.iterdir()) == []


def by_sqlalchemy(folder: Path) -> str:
    return f"sql+sqlite:///{folder / 'tokens.db'}"


@pytest.mark.parametrize("make", [sqlite, csv, by_sqlalchemy])
@pytest.mark.parametrize("mode", [0o644, 0o602])
def test_a_file_that_others_can_access(folder: Path, make: object, mode: int) -> None:
    """It is named with its mode, the command closes it, and it is left as it is."""
    url = fill(make(folder))  # type: ignore[operator]
    path = Path(url.partition(":///")[2])
    path.chmod(mode)
    report = examined(url)
    (found,) = report.findings
    assert (found.check, found.severity) == ("file-permissions", Severity.ERROR)
    assert f"{path} ({mode:04o})" in found.summary
    assert path.stat().st_mode & 0o777 == mode
    assert os.system(found.remedy) == 0
    assert examined(url).findings == ()


def test_a_folder_in_which_everybody_may_replace_files(folder: Path) -> None:
    """The command closes it."""
    url = fill(sqlite(folder))
    folder.chmod(0o777)
    (found,) = examined(url).findings
    assert (found.check, found.severity) == ("file-permissions", Severity.ERROR)
    assert os.system(found.remedy) == 0
    assert examined(url).findings == ()


@NEEDS_ROOT
def test_a_file_of_another_user_in_everybodys_folder(folder: Path) -> None:
    """Whoever put it there can read what is in it."""
    url = fill(sqlite(folder))
    folder.chmod(0o1777)
    os.chown(folder / "zohooauth.db", NOBODY, NOBODY)
    (found,) = examined(url).findings
    assert found.check == "file-permissions"
    assert "belongs to another user" in found.summary


@NEEDS_ROOT
@each_kind
def test_a_file_that_is_mounted_by_itself(folder: Path, make: object) -> None:
    """As into a container."""
    url = fill(make(folder))  # type: ignore[operator]
    path = Path(url.partition(":///")[2])
    (folder / "container").mkdir()
    inside = folder / "container" / path.name
    inside.touch(mode=0o600)
    with mounted(inside, "--bind", str(path)):
        found = examined(url.replace(str(path), str(inside))).findings
    assert "mounted-file" in [each.check for each in found]


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs", "9p"])
def test_a_network_file_system(folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """It is known by the kernel's table of mounts, which is made up here: no server of files is at hand."""
    url = fill(sqlite(folder))
    table = folder / "mountinfo"
    table.write_text(
        "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
        f"90 22 0:44 /export {folder} rw,relatime shared:9 - {kind} server:/export rw\n"
        "91 22 0:45 / /elsewhere rw - tmpfs tmpfs rw\n"
    )
    monkeypatch.setattr(mounts, "_TABLE", table)
    (found,) = examined(url).findings
    assert (found.check, found.severity) == ("network-file-system", Severity.ERROR)
    assert kind in found.summary


def test_the_innermost_and_last_mount_counts() -> None:
    """A later mount at the same place hides the earlier one; a longer name is not a folder within."""
    table = (
        b"1 0 8:0 / / rw - ext4 /dev/a rw\n2 1 0:1 / /srv rw shared:1 - nfs4 s:/ rw\n"
        b"3 1 0:2 / /srv rw - xfs /dev/b rw\n4 1 0:3 / /srv/a\\040b rw - tmpfs t rw\n"
    )
    kinds = {
        path: mounts.kind_of(Path(path), table) for path in ("/srv/x", "/srv/a b/x", "/srvx", "/srv/a b")
    }
    assert kinds == {"/srv/x": "xfs", "/srv/a b/x": "tmpfs", "/srvx": "ext4", "/srv/a b": "tmpfs"}


@NEEDS_ROOT
def test_a_disk_that_is_full(folder: Path) -> None:
    """No token can be saved; the file itself is not touched."""
    with mounted(folder, "-t", "tmpfs", "-o", "size=1m", "tmpfs"):
        url = fill(sqlite(folder))
        free = shutil.disk_usage(folder).free
        (folder / "ballast").write_bytes(b"\0" * (free - 8192))
        found = {each.check: each for each in examined(url).findings}
    assert found["disk-space"].severity is Severity.ERROR


@NEEDS_ROOT
def test_a_disk_that_is_nearly_full(folder: Path) -> None:
    """There is room for now."""
    with mounted(folder, "-t", "tmpfs", "-o", "size=2m", "tmpfs"):
        found = {each.check: each for each in examined(fill(sqlite(folder))).findings}
    assert found["disk-space"].severity is Severity.WARNING


@NEEDS_ROOT
@each_kind
def test_a_read_only_file_system(folder: Path, make: object) -> None:
    """Its tokens are read all the same."""
    url = fill(make(folder))  # type: ignore[operator]
    with mounted(folder, "--bind", "-o", "ro", str(folder)):
        report = examined(url)
    assert names(report) == ["read-only"]
    assert report.rows == 2


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="this system has no file system in memory here")
def test_a_file_in_memory(tmp_path_factory: pytest.TempPathFactory) -> None:
    """It is gone after a restart."""
    folder = Path("/dev/shm") / f"doctor-{os.getpid()}"
    folder.mkdir(mode=0o700)
    try:
        assert names(examined(fill(sqlite(folder)))) == ["durability"]
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("content", [b"no database", b"x" * 5000, b"SQLite format 3\0" + b"x" * 5000])
def test_a_file_that_is_no_database(folder: Path, content: bytes) -> None:
    """It is left as it is."""
    path = folder / "zohooauth.db"
    path.write_bytes(content)
    path.chmod(0o600)
    report = examined(sqlite(folder))
    assert names(report) == ["store-unusable"]
    assert path.read_bytes() == content
    assert "rows-do-not-open" in report.not_checked


def test_a_database_that_is_cut_short(folder: Path) -> None:
    """Half a page is missing."""
    url = fill(sqlite(folder))
    path = folder / "zohooauth.db"
    os.truncate(path, path.stat().st_size - 100)
    assert names(examined(url)) == ["store-unusable"]


def test_a_damaged_page_is_found_by_all(folder: Path) -> None:
    """Nothing that is looked at is on it, an index; `everything` reads each page."""
    url = fill(sqlite(folder), *(login(f"user-{n}") for n in range(200)))
    path = folder / "zohooauth.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'oauthtoken_by_grant_token'"
        ).fetchone()
    data = bytearray(path.read_bytes())
    data[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    path.write_bytes(data)
    assert examined(url).findings == ()
    assert "store-unusable" in names(examined(url, everything=True))


def test_a_database_of_a_newer_release(folder: Path) -> None:
    """It says which schema it has."""
    url = fill(sqlite(folder))
    with sqlite3.connect(folder / "zohooauth.db") as connection:
        connection.execute("UPDATE zoho_tokenstore SET value = '99' WHERE name = 'schema_version'")
    connection.close()
    (found,) = examined(url).findings
    assert found.check == "store-unusable"
    assert "schema 99" in found.summary
    assert "Upgrade zoho-tokenstore" in found.remedy


def test_a_csv_file_of_something_else(folder: Path) -> None:
    """It is no token file."""
    path = folder / "sdk_tokens.txt"
    path.write_text("a,b\n1,2\n")
    path.chmod(0o600)
    assert names(examined(csv(folder))) == ["store-unusable"]


@pytest.mark.clear
@pytest.mark.parametrize(("make", "name"), [(sqlite, "zohooauth.db"), (csv, "sdk_tokens.txt")])
def test_what_zohos_code_wrote_is_older_and_stays_so(folder: Path, make: object, name: str) -> None:
    """Its rows are read, and not a byte of it changes."""
    shutil.copyfile(LEGACY / name, folder / name)
    (folder / name).chmod(0o600)
    before = (folder / name).read_bytes()
    report = examined(make(folder), keys=None)  # type: ignore[operator]
    assert "schema-older" in names(report)
    assert report.rows > 0
    assert (folder / name).read_bytes() == before
    assert list(folder.iterdir()) == [folder / name]


def test_a_trigger_that_is_gone(folder: Path) -> None:
    """As a table editor drops it: then what Zoho's code writes goes unnoticed."""
    url = fill(sqlite(folder))
    with sqlite3.connect(folder / "zohooauth.db") as connection:
        connection.execute("DROP TRIGGER oauthtoken_updated")
    connection.close()
    assert names(examined(url)) == ["schema-older"]


def test_a_store_that_is_in_use_is_read_beside_its_users(folder: Path) -> None:
    """With rows that are still in the log, under somebody's write lock; its files stay those they were."""
    from zoho_tokenstore import open_repository

    with open_repository(sqlite(folder), keys=KEY) as repository:
        repository.save(login("ann"))
        blocker = sqlite3.connect(folder / "zohooauth.db", isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        before = sorted(folder.iterdir())
        report = examined(sqlite(folder))
        assert (report.findings, report.rows) == ((), 1)
        assert sorted(folder.iterdir()) == before
        blocker.execute("ROLLBACK")
        blocker.close()


def test_looking_at_a_closed_store_changes_nothing(folder: Path) -> None:
    """No file appears beside it, and not a byte of it changes."""
    url = fill(sqlite(folder))
    path = folder / "zohooauth.db"
    before = path.read_bytes(), path.stat().st_mtime_ns
    assert examined(url).findings == ()
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert list(folder.iterdir()) == [path]


@NEEDS_ROOT
@each_kind
@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_a_user_who_may_not_read_the_file(folder: Path, make: object, mode: int) -> None:
    """Or not enter its folder. For that user the store cannot be opened, and nothing that needs it is
    healthy."""
    url = fill(make(folder))  # type: ignore[operator]
    folder.chmod(mode)

    def seen() -> str:
        report = examined(url)
        return json.dumps([names(report), report.not_checked])

    found, not_checked = json.loads(without_rights(seen))
    assert set(found) == {"store-unreachable", "read-only"}
    assert {"rows-unreadable", "schema-older"} <= set(not_checked)
    assert "Error" not in str(not_checked)
    assert ("store-missing" in not_checked) is (mode == 0o700)
