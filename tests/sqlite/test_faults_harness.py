"""The fault harness itself, on plain sqlite3: it changes nothing until armed, and then what it says."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sqlite_faults import Fault, Faults, available, os_faults, sqlite_faults

MODES = pytest.mark.parametrize("mode", ["wal", "delete"])
ROWS = 40  # of some size, so that a transaction has several pages
OLD, NEW = "old" * 300, "new" * 300


@pytest.fixture
def tmp_path(quick_folder: Path) -> Path:
    return quick_folder


@contextlib.contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as connection:
        connection.execute("PRAGMA synchronous=FULL")
        yield connection


def create(path: Path, mode: str) -> Path:
    with connected(path) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        assert connection.execute(f"PRAGMA journal_mode={mode}").fetchone() == (mode,)
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, value TEXT)")
        connection.executemany("INSERT INTO t (value) VALUES (?)", [(OLD,)] * ROWS)
    return path


def update(path: Path, *pragmas: str) -> None:
    with connected(path) as connection:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE t SET value = ?", (NEW,))
        connection.execute("COMMIT")


def updated(path: Path) -> bool:
    """Whether update() returned: then it is promised that the new value is there."""
    try:
        update(path)
    except sqlite3.Error:
        return False
    return True


def value(path: Path) -> str:
    """The one value of all rows, read by a new connection from a sound database."""
    with connected(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        ((found, rows),) = connection.execute("SELECT value, count(*) FROM t GROUP BY value").fetchall()
    assert rows == ROWS
    assert found in (OLD, NEW)
    return str(found)


def fault_each(faults: Faults, directory: Path, mode: str, fault: Fault, once: bool) -> Counter[str]:
    """The update with its 1st, 2nd, ... operation failing, until there is none left to fail."""
    hit: Counter[str] = Counter()
    for n in range(1, 1000):
        path = create(directory / f"{n}.db", mode)
        faults.arm(after=n, fault=fault, once=once)
        promised = updated(path)
        faults.disarm()
        fired = faults.fired
        found = value(path)
        assert found == NEW or not promised, f"operation {n}, {fired}: the commit succeeded and is lost"
        if not fired:
            assert promised
            return hit
        assert not once or len(fired) == 1
        hit[fired[0][0]] += 1
    raise AssertionError("there is no end to it")


def test_this_interpreters_sqlite_can_be_reached() -> None:
    assert available(), available().reason
    assert sqlite3.sqlite_version in available().reason


@MODES
def test_unarmed_it_only_counts(tmp_path: Path, mode: str) -> None:
    counts = []
    with sqlite_faults() as faults:
        for name in ("a", "b", "c"):
            path = create(tmp_path / name, mode)
            faults.reset()
            update(path)
            counts.append(faults.count)
            assert value(path) == NEW
            assert faults.fired == []
    assert counts[0] > 10
    assert len(set(counts)) == 1, counts


@MODES
@pytest.mark.parametrize("once", [True, False], ids=["once", "from then on"])
@pytest.mark.parametrize("fault", Fault)
def test_every_operation_may_fail(tmp_path: Path, mode: str, fault: Fault, once: bool) -> None:
    with sqlite_faults() as faults:
        hit = fault_each(faults, tmp_path, mode, fault, once)
    expected = {"open", "read", "write", "sync", "lock", "file_size", "access", "delete"}
    assert hit.keys() >= expected | ({"shm_map"} if mode == "wal" else set()), hit


RESULTS = {
    Fault.ENOSPC: {("write", sqlite3.SQLITE_FULL), ("sync", sqlite3.SQLITE_IOERR_FSYNC)},
    Fault.SHORT_WRITE: {("write", sqlite3.SQLITE_FULL)},
    Fault.EIO: {
        ("read", sqlite3.SQLITE_IOERR_READ),
        ("write", sqlite3.SQLITE_IOERR_WRITE),
        ("sync", sqlite3.SQLITE_IOERR_FSYNC),
        ("truncate", sqlite3.SQLITE_IOERR_TRUNCATE),
    },
    Fault.EACCES: {
        ("open", sqlite3.SQLITE_CANTOPEN),
        ("access", sqlite3.SQLITE_IOERR_ACCESS),
        ("write", sqlite3.SQLITE_READONLY),
    },
}


@pytest.mark.parametrize("fault", Fault)
def test_the_error_that_python_sees(tmp_path: Path, fault: Fault) -> None:
    seen = set()
    with sqlite_faults() as faults:
        for n in range(1, 1000):
            path = create(tmp_path / f"{n}.db", "delete")
            faults.arm(after=n, fault=fault)
            try:
                update(path, "journal_mode=truncate")
            except sqlite3.Error as error:
                seen.add((faults.fired[0][0], error.sqlite_errorcode))
            if not faults.fired:
                break
    assert seen >= RESULTS[fault]


def test_a_short_write_leaves_half_of_it(tmp_path: Path) -> None:
    wal_header = 32
    with sqlite_faults() as faults:
        for n in range(1, 100):
            path = create(tmp_path / f"{n}.db", "wal")
            with connected(path) as connection:
                faults.arm(after=n, fault=Fault.SHORT_WRITE, match="-wal")
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("UPDATE t SET value = ?", (NEW,))
                faults.disarm()
                size = path.with_name(f"{path.name}-wal").stat().st_size
            if faults.fired[0][0] == "write":
                break
        assert faults.fired == [("write", f"{path.name}-wal")]
    assert size == wal_header // 2
    assert value(path) == OLD


def test_match_counts_and_fails_only_that_file(tmp_path: Path) -> None:
    path = create(tmp_path / "a.db", "wal")
    with sqlite_faults() as faults:
        faults.arm(after=10_000, match="-wal")
        update(path)
        matching = faults.count
        faults.reset()
        path.unlink()
        update(create(path, "wal"))
        assert 0 < matching < faults.count
        faults.arm(after=1, match="-wal", once=False)
        updated(path)
        assert {name for _, name in faults.fired} == {"a.db-wal"}


def test_arming_is_checked_and_blocks_do_not_nest() -> None:
    with sqlite_faults() as faults:
        with pytest.raises(ValueError, match="count from 1"):
            faults.arm(after=0)
        with pytest.raises(RuntimeError, match="nest"), sqlite_faults():
            pass


@MODES
def test_afterwards_connections_are_plain_ones(tmp_path: Path, mode: str) -> None:
    path = create(tmp_path / "a.db", mode)
    with sqlite_faults() as faults:
        survivor = sqlite3.connect(path, isolation_level=None)
        survivor.execute("UPDATE t SET value = 'between'")
        faults.arm(after=1, once=False)
    count = faults.count
    with contextlib.closing(survivor):
        survivor.execute("UPDATE t SET value = ?", (NEW,))
        survivor.execute("VACUUM")
        survivor.execute("ATTACH ? AS other", (str(tmp_path / "other.db"),))
        assert value(path) == NEW
    update(create(tmp_path / "b.db", mode))
    assert value(tmp_path / "b.db") == NEW
    assert (faults.count, faults.fired) == (count, [])


def test_connections_from_before_are_left_alone(tmp_path: Path) -> None:
    path = create(tmp_path / "a.db", "delete")
    with connected(path) as connection, sqlite_faults() as faults:
        faults.arm(after=1, once=False)
        connection.execute("UPDATE t SET value = ?", (NEW,))
        assert faults.count == 0
    assert value(path) == NEW


def test_an_error_of_the_harness_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Faults, operation: str, name: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), sqlite_faults():  # noqa: PT012
        monkeypatch.setattr(Faults, "strike", broken)
        with pytest.raises(sqlite3.OperationalError):
            sqlite3.connect(tmp_path / "a.db")
    monkeypatch.undo()
    update(create(tmp_path / "b.db", "wal"))


def publish(directory: Path) -> None:
    """What a careful program does for a new file, by path, by descriptor and relative to a directory."""
    descriptor = os.open(directory / "new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        data = b"0123456789"
        while data:
            data = data[os.write(descriptor, data) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    (directory / "new").chmod(0o400)
    (directory / "file").hardlink_to(directory / "new")
    (directory / "new").replace(directory / "other")
    (directory / "new").unlink(missing_ok=True)
    (directory / "other").unlink()


PUBLISHED = [
    ("os.open", "new"),
    ("os.write", "new"),
    ("os.fsync", "new"),
    ("os.chmod", "new"),
    ("os.link", "file"),
    ("os.replace", "other"),
]


@pytest.mark.parametrize("fault", Fault)
def test_operations_of_python_fail_one_by_one(tmp_path: Path, fault: Fault) -> None:
    fired = []
    expected = errno.ENOSPC if fault is Fault.SHORT_WRITE else fault.value
    with os_faults(tmp_path) as faults:
        for n in range(1, len(PUBLISHED) + 1):
            directory = tmp_path / str(n)
            directory.mkdir()
            faults.arm(after=n, fault=fault)
            with pytest.raises(OSError, match=rf"^\[Errno {expected}\]"):
                publish(directory)
            fired.append(faults.fired[0])
            if faults.fired[0] == ("os.write", "new"):
                written = b"01234" if fault is Fault.SHORT_WRITE else b""
                assert (directory / "new").read_bytes() == written
    assert fired == PUBLISHED


def test_python_operations_elsewhere_are_left_alone(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    before = {name: getattr(os, name) for name in ("open", "write", "replace")}
    with os_faults(inside) as faults:
        faults.arm(after=1, once=False)
        publish(outside)
        assert faults.count == 0
        assert os.open is not before["open"]
    assert before == {name: getattr(os, name) for name in before}


@pytest.mark.skipif(
    os.open not in os.supports_dir_fd, reason="this system opens nothing relative to a descriptor"
)
def test_descriptors_are_known_whoever_opened_them(tmp_path: Path) -> None:
    with os_faults(tmp_path) as faults:
        directory = os.open(tmp_path, os.O_RDONLY)
        with (tmp_path / "file").open("wb") as file:
            faults.arm(after=1, once=False)
            for attempt in (
                lambda: os.fsync(directory),
                lambda: os.fsync(file.fileno()),
                lambda: os.open("file", os.O_RDONLY, dir_fd=directory),
            ):
                with pytest.raises(OSError, match=rf"^\[Errno {errno.EIO}\]"):
                    attempt()
        os.close(directory)
    assert faults.fired == [("os.fsync", tmp_path.name), ("os.fsync", "file"), ("os.open", "file")]


def test_one_sequence_over_sqlite_and_python(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        create(tmp_path / name / "db", "wal")
    with sqlite_faults(directory=tmp_path) as faults:
        update(tmp_path / "a" / "db")
        by_sqlite = faults.count
        publish(tmp_path / "a")
        assert faults.count > by_sqlite + len(PUBLISHED)
        faults.arm(after=by_sqlite + 1)
        update(tmp_path / "b" / "db")
        assert faults.fired == []
        with pytest.raises(OSError, match=rf"^\[Errno {errno.EIO}\]"):
            publish(tmp_path / "b")
        assert faults.fired == [("os.open", "new")]
