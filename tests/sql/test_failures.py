"""What the drivers' exceptions are told as. Those that a test can bring about are in the other modules."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Final

import psycopg
import pytest
from pymysql import err

from tests.sql import support
from zoho_tokenstore.backends.sql import SQLBackend
from zoho_tokenstore.backends.sql import _failures as failures
from zoho_tokenstore.backends.sql._dialect import Dialect
from zoho_tokenstore.backends.sql._failures import Failure, Kind
from zoho_tokenstore.backends.sql._mysql import MySQL
from zoho_tokenstore.backends.sql._postgresql import PostgreSQL
from zoho_tokenstore.errors import BackendError, BackendUnavailableError
from zoho_tokenstore.records import Row

SECRET: Final = "1000.very-secret"

STATES: Final = {
    "08006": failures.LOST,
    "57P01": failures.LOST,
    "57P02": failures.LOST,
    "57P05": failures.LOST,
    "40001": failures.PASSING,
    "40P01": failures.PASSING,
    "55P03": failures.LOCKED,
    "57014": failures.SLOW,
    "25006": failures.READ_ONLY,
    "53100": failures.FULL,
    "53200": failures.NO_MEMORY,
    "53300": failures.CROWDED,
    "57P03": failures.STARTING,
    "28P01": failures.REFUSED,
    "3D000": failures.UNKNOWN,
    "42P01": failures.no_table(""),
    "22001": failures.TOO_LONG,
    "22021": failures.TOO_LONG,
    "54000": failures.TOO_LONG,
}
LOGINS: Final = {
    'FATAL:  password authentication failed for user "app"': failures.REFUSED,
    'FATAL:  role "app" does not exist': failures.REFUSED,
    'FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "app"': failures.REFUSED,
    "fe_sendauth: no password supplied": failures.REFUSED,
    'FATAL:  database "portal" does not exist': failures.UNKNOWN,
    'FATAL:  too many connections for role "app"': failures.CROWDED,
    "FATAL:  sorry, too many clients already": failures.CROWDED,
    "FATAL:  remaining connection slots are reserved for superusers": failures.CROWDED,
    "FATAL:  the database system is starting up": failures.STARTING,
    "FATAL:  the database system is shutting down": failures.STARTING,
    "session is read-only": failures.READ_ONLY,
    "server does not support SSL, but SSL was required": failures.INSECURE,
    "SSL error: certificate verify failed": failures.INSECURE,
    "connection timeout expired": failures.DEAF,
    "Connection refused": failures.UNREACHABLE,
    "could not translate host name": failures.UNREACHABLE,
}  # fmt: skip
CODES: Final = {
    1213: failures.PASSING,
    1020: failures.PASSING,
    1205: failures.LOCKED,
    3024: failures.SLOW,
    1969: failures.SLOW,
    1290: failures.READ_ONLY,
    1836: failures.READ_ONLY,
    1021: failures.FULL,
    1114: failures.FULL,
    1040: failures.CROWDED,
    1226: failures.CROWDED,
    1045: failures.REFUSED,
    1227: failures.NOT_ALLOWED,
    1049: failures.UNKNOWN,
    2026: failures.INSECURE,
    1146: failures.no_table("Table 'a.b' doesn't exist"),
    1366: failures.TOO_LONG,
    1406: failures.TOO_LONG,
    2006: failures.LOST,
    2013: failures.LOST,
    1053: failures.LOST,
    1927: failures.LOST,
    4031: failures.LOST,
}


@pytest.mark.parametrize("state", STATES)
def test_states_of_postgresql(state: str) -> None:
    """Each SQLSTATE that the server may answer has its meaning."""
    error = psycopg.errors.lookup(state)(SECRET)
    assert PostgreSQL("t").failure(error, connecting=False) == STATES[state]


@pytest.mark.parametrize("text", LOGINS)
def test_failed_logins_of_postgresql(text: str) -> None:
    """A login that failed has no SQLSTATE; its text is told apart."""
    error = psycopg.OperationalError(f"connection failed: {text}")
    assert PostgreSQL("t").failure(error, connecting=True) is LOGINS[text]


@pytest.mark.parametrize("code", CODES)
def test_codes_of_mysql(code: int) -> None:
    """Each number that the server or the driver may raise has its meaning."""
    said = "Table 'a.b' doesn't exist" if code == 1146 else SECRET
    assert MySQL("t").failure(err.OperationalError(code, said), connecting=False) == CODES[code]


def test_a_full_disk_of_mysql() -> None:
    """The storage engine has one number for all its errors, and the system's in the text."""
    full = err.InternalError(1030, 'Got error 28 "No space left on device" from storage engine InnoDB')
    assert MySQL("t").failure(full, connecting=False) is failures.FULL
    broken = err.InternalError(1030, 'Got error 5 "Input/output error" from storage engine InnoDB')
    assert MySQL("t").failure(broken, connecting=False).kind is Kind.FINAL


def test_failed_logins_of_mysql() -> None:
    """The driver has one number for all that kept it from a server."""
    for text, failure in (
        ("([Errno 111] Connection refused)", failures.UNREACHABLE),
        ("(timed out)", failures.DEAF),
        ("([SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed)", failures.INSECURE),
    ):
        error = err.OperationalError(2003, f"Can't connect to MySQL server on 'db' {text}")
        assert MySQL("t").failure(error, connecting=True) is failure


@pytest.mark.parametrize(
    ("dialect", "error"),
    [
        (PostgreSQL, psycopg.errors.UniqueViolation(f"DETAIL:  Key (id)=({SECRET}) already exists.")),
        (PostgreSQL, psycopg.errors.CheckViolation(f"DETAIL:  Failing row contains (1, {SECRET}).")),
        (PostgreSQL, psycopg.errors.StringDataRightTruncation(SECRET)),
        (PostgreSQL, psycopg.errors.RaiseException(SECRET)),
        (PostgreSQL, psycopg.ProgrammingError(SECRET)),
        (MySQL, err.IntegrityError(1062, f"Duplicate entry '{SECRET}' for key 'PRIMARY'")),
        (MySQL, err.ProgrammingError(1064, f"You have an error in your SQL syntax near '{SECRET}'")),
        (MySQL, err.DataError(1366, f"Incorrect string value: '{SECRET}' for column")),
        (MySQL, err.OperationalError(1644, SECRET)),
        (MySQL, err.Error(SECRET)),
        (Dialect, sqlite3.IntegrityError(SECRET)),
        (Dialect, sqlite3.OperationalError(SECRET)),
        (Dialect, sqlite3.DataError(SECRET)),
        (Dialect, sqlite3.ProgrammingError(SECRET)),
    ],
)
def test_an_exception_that_may_quote_a_value_is_not_chained(dialect: type[Dialect], error: Exception) -> None:
    """What kind it was is told, and nothing of its text."""
    failure = dialect("t").failure(error, connecting=False)
    assert not failure.is_quotable
    assert SECRET not in failure.says


def test_every_failure_is_a_sentence() -> None:
    """Each says what happened, then what to do or that nothing was changed, and never ends twice."""
    known = [failure for failure in vars(failures).values() if isinstance(failure, Failure)]
    assert len(known) > 15
    for failure in known:
        assert issubclass(failure.error, BackendError)
        assert not failure.says.endswith(".")
        assert ". " in failure.says or ": " in failure.says or failure is failures.NO_MEMORY


def test_another_database_that_is_locked(tmp_path: Path) -> None:
    """What the driver raises is told by its kind, as a storage that does not work; then the store goes on."""
    backend = support.make(support.OTHER, tmp_path)
    blocker = sqlite3.connect(tmp_path / "tokens.db", isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    with backend._connections._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 10")
    with pytest.raises(BackendUnavailableError, match=r"failed \(OperationalError\)"):
        backend.write(Row("1"), expect=None)
    blocker.close()
    backend.write(Row("1"), expect=None)
    backend.close()


@pytest.mark.parametrize("path", ["missing/tokens.db", "."])
def test_another_database_that_cannot_be_opened(tmp_path: Path, path: str) -> None:
    """A file that cannot be opened is a storage that cannot be reached."""
    with pytest.raises(BackendUnavailableError, match="cannot be reached"):
        SQLBackend(f"sql+sqlite:///{tmp_path / path}")


@pytest.mark.skipif(os.name != "posix", reason="rights as POSIX has them")
def test_the_file_of_another_database_is_closed_to_others(tmp_path: Path) -> None:
    """A SQLite file by this way, too, is its owner's alone; where others may replace it, it is refused."""
    backend = support.make(support.OTHER, tmp_path)
    assert (tmp_path / "tokens.db").stat().st_mode & 0o077 == 0
    backend.close()
    (tmp_path / "tokens.db").chmod(0o644)
    support.reopen(support.OTHER, tmp_path).close()
    assert (tmp_path / "tokens.db").stat().st_mode & 0o077 == 0
    tmp_path.chmod(0o777)
    with pytest.raises(BackendUnavailableError):
        support.reopen(support.OTHER, tmp_path)
    tmp_path.chmod(0o700)
