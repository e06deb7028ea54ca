"""From the files and the table that Zoho's own code has written."""

from __future__ import annotations

import csv
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.copying.support import columns_of, in_order, rows_of, run, side
from tests.sql import support as sql
from tests.sqlite import published
from zoho_tokenstore.backends.csv import CSVBackend
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.copying import OnConflict, Outcome
from zoho_tokenstore.copying._passes import copy_rows
from zoho_tokenstore.records import COLUMNS
from zoho_tokenstore.sealing import Keyset

pytestmark = pytest.mark.clear

LEGACY = Path(__file__).parents[1] / "fixtures" / "legacy"
TEN = f"SELECT {', '.join(COLUMNS)} FROM oauthtoken"

Columns = list[tuple[object, ...]]


def columns_in(database: Path) -> Columns:
    """Return the published columns of all rows, as any program reads them."""
    with closing(sqlite3.connect(database)) as connection:
        return sorted(connection.execute(TEN).fetchall())


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A database of the published SQLite sample."""
    return Path(shutil.copyfile(LEGACY / "zohooauth.db", tmp_path / "zohooauth.db"))


@pytest.fixture
def file_store(tmp_path: Path) -> Path:
    """A file of the SDK's FileStore."""
    return Path(shutil.copyfile(LEGACY / "sdk_tokens.txt", tmp_path / "sdk_tokens.txt"))


@pytest.fixture
def db_store(tmp_path: Path) -> str:
    """The URL of a table of the SDK's DBStore."""
    from tests.sql.published import load_dump  # it imports the SDK

    url = sql.url(sql.MARIADB, tmp_path)
    load_dump(url)
    return url


def test_the_published_samples_database(sample: Path, tmp_path: Path, new: Keyset) -> None:
    """Every column of every row arrives, sealed; the sample goes on reading and writing its file."""
    before = columns_in(sample)
    with closing(SQLiteBackend(sample)) as source, closing(CSVBackend(tmp_path / "to.csv")) as to:
        done = copy_rows(side(source), side(to, new))
        assert (done.copied, done.is_complete) == (len(before), True)
        assert columns_of(in_order(rows_of(to, new))) == before
        assert columns_in(sample) == before
        row = published.find_by_id(sample, "2")
        assert row in before
        added = published.insert(sample, "somebody new", tokens="new")
        again = copy_rows(side(source), side(to, new))
        assert (again.copied, again.is_complete) == (1, True)
        assert to.load(added) is not None


def test_what_the_sample_saves_meanwhile_is_newer(sample: Path) -> None:
    """Its triggers note when a row changed, so that `newer` copies it at the next run."""
    destination = ListBackend()
    with closing(SQLiteBackend(sample)) as source:
        copy_rows(side(source), side(destination))
        with published.connection(sample) as connection:
            connection.execute("UPDATE oauthtoken SET access_token = '1000.access.refreshed' WHERE id = '2'")
        done = copy_rows(side(source), side(destination), on_conflict=OnConflict.NEWER)
    assert (done.overwritten, done.is_complete) == (1, True)
    (found,) = destination.find("access_token", "1000.access.refreshed")
    assert found.id == "2"


def test_file_stores_file(file_store: Path, tmp_path: Path) -> None:
    """All 24 rows, those with foreign letters too; the command line says nothing of their tokens."""
    with file_store.open(encoding="utf-8", newline="") as file:
        before = sorted(csv.reader(file))[:-1]
    done = run(f"csv:///{file_store}", f"sqlite:///{tmp_path / 'to.db'}")
    assert done.exit_code == 0, done.output
    found = columns_in(tmp_path / "to.db")
    assert [[text or "" for text in row] for row in found] == before
    assert len(found) == 24


def test_what_file_store_saves_meanwhile_has_no_time(file_store: Path) -> None:
    """It writes a row anew without our columns: `newer` tells of it as a conflict, `overwrite` copies it."""
    destination = ListBackend()
    with closing(CSVBackend(file_store)) as source:
        copy_rows(side(source), side(destination))
        lines = file_store.read_text(encoding="utf-8").splitlines()
        at = next(at for at, line in enumerate(lines) if line.startswith("2,"))
        cells = lines[at].split(",")[: len(COLUMNS)]
        cells[5] = "1000.access.refreshed"
        lines[at] = ",".join(cells)
        file_store.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        told = copy_rows(side(source), side(destination), on_conflict=OnConflict.NEWER)
        assert told.outcomes[Outcome.CONFLICT].ids == [("2", None)]
        assert copy_rows(side(source), side(destination), on_conflict=OnConflict.OVERWRITE).is_complete
    assert [found.id for found in destination.find("access_token", "1000.access.refreshed")] == ["2"]


def test_a_copy_of_a_file_can_be_copied_instead(sample: Path, file_store: Path, tmp_path: Path) -> None:
    """Opening takes a file of Zoho's over in place; who does not want that copies a copy of it."""
    before = sample.read_bytes(), file_store.read_bytes()
    with closing(sqlite3.connect(sample)) as connection:
        connection.execute("VACUUM INTO ?", (str(tmp_path / "copy.db"),))
    shutil.copyfile(file_store, tmp_path / "copy.txt")
    for source, name in (("sqlite", "copy.db"), ("csv", "copy.txt")):
        done = run(f"{source}:///{tmp_path / name}", f"sqlite:///{tmp_path / f'from-{source}.db'}")
        assert done.exit_code == 0, done.output
    assert (sample.read_bytes(), file_store.read_bytes()) == before
    assert columns_in(tmp_path / "from-sqlite.db") == columns_in(sample)


def test_db_stores_table(db_store: str, tmp_path: Path, new: Keyset) -> None:
    """Every row of the MySQL table arrives; the published columns stay the first ten, as they were."""
    before = sorted(sql.query(db_store, TEN))
    keys = tmp_path / "new.keys"
    keys.touch(mode=0o600)
    keys.write_text(new.to_text())
    done = run(
        "env:FROM", f"sqlite:///{tmp_path / 'to.db'}", "--dst-keys", f"file:{keys}", env={"FROM": db_store}
    )
    assert done.exit_code == 0, done.output
    assert f"All {len(before)} are equal there" in done.output
    with closing(SQLiteBackend(tmp_path / "to.db")) as backend:
        assert columns_of(in_order(rows_of(backend, new))) == before
    assert sorted(row[:10] for row in sql.query(db_store, "SELECT * FROM oauthtoken")) == before


def test_two_published_stores_of_different_users(sample: Path, file_store: Path, tmp_path: Path) -> None:
    """Each numbers its rows from 1. No login is overwritten by another user's, under any policy."""
    with published.connection(sample) as connection:
        connection.execute("UPDATE oauthtoken SET user_name = 'other.' || user_name")
    to = f"sqlite:///{tmp_path / 'to.db'}"
    assert run(f"csv:///{file_store}", to).exit_code == 0
    before = columns_in(tmp_path / "to.db")
    for policy in OnConflict:
        done = run(f"sqlite:///{sample}", to, "--on-conflict", policy)
        assert done.exit_code == (policy is not OnConflict.SKIP)
        assert "1, 2, 3, 4, 5, 6, 7, 8, 9." in done.output
        assert columns_in(tmp_path / "to.db") == before
