"""Locks that others hold, statements that the server undoes, and threads that wait for a connection."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest
import sqlalchemy as sa

from tests.sql import support
from tests.sql.conftest import Local
from zoho_tokenstore.backends.sql import SQLBackend
from zoho_tokenstore.errors import BackendTimeoutError
from zoho_tokenstore.records import Row

LOCK_TABLE: Final = {
    support.POSTGRESQL: "LOCK TABLE oauthtoken IN ACCESS EXCLUSIVE MODE",
    support.MARIADB: "LOCK TABLES oauthtoken WRITE",
}


@pytest.fixture
def admin_url(own: Local, own_kind: str) -> str:
    """The same database, for an administrator: cutting off the store's user leaves him alone."""
    if own_kind == support.POSTGRESQL:
        base = f"postgresql://postgres@/tokens?host={own.folder}&port={own.port}"
    else:
        base = f"mariadb://root@/tokens?unix_socket={own.folder}/socket"
    return support.place(own_kind, base, "tokens_place")


@pytest.fixture
def admin(admin_url: str) -> Iterator[sa.Connection]:
    with support.driver(admin_url) as connection:
        yield connection


def lock_row(admin: sa.Connection) -> None:
    admin.exec_driver_sql("BEGIN")
    admin.exec_driver_sql("SELECT * FROM oauthtoken WHERE id = '1' FOR UPDATE")


def lock_table(admin: sa.Connection, kind: str) -> None:
    if kind == support.POSTGRESQL:
        admin.exec_driver_sql("BEGIN")
    admin.exec_driver_sql(LOCK_TABLE[kind])


def unlock(admin: sa.Connection, kind: str) -> None:
    admin.exec_driver_sql("COMMIT" if kind == support.POSTGRESQL else "UNLOCK TABLES")


def timed(call: Callable[[], object]) -> float:
    """Return how long a call took to end with an error about a lock."""
    began = time.monotonic()
    with pytest.raises(BackendTimeoutError, match="Nothing was changed"):
        call()
    return time.monotonic() - began


def wait_until(question: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 10
    while not question():
        assert time.monotonic() < deadline
        time.sleep(0.15)  # InnoDB looks anew only if nobody has asked for 0.1 s


def waiting(admin_url: str, kind: str) -> int:
    """Return how many statements of the store wait for a lock."""
    if kind == support.POSTGRESQL:
        asked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = 'tokens'"
    else:
        asked = (
            "SELECT count(*) FROM information_schema.innodb_trx JOIN information_schema.processlist "
            "ON trx_mysql_thread_id = id WHERE trx_state = 'LOCK WAIT' AND user = 'tokens'"
        )
    ((count,),) = support.query(admin_url, asked)
    return int(count)


@pytest.mark.long
def test_a_locked_row_stops_writes_for_so_long(
    backend: SQLBackend, admin: sa.Connection, own_kind: str
) -> None:
    """A save or deletion ends with an error after the timeout, nothing is changed, and readers go on."""
    etag = backend.write(Row("1", access_token="1"), expect=None)
    lock_row(admin)
    assert 0.9 < timed(lambda: backend.write(Row("1"), expect=etag)) < 5
    assert 0.9 < timed(lambda: backend.remove("1")) < 5
    assert backend.load("1") == Row("1", access_token="1", etag=etag)
    admin.exec_driver_sql("COMMIT")
    backend.write(Row("1", access_token="2"), expect=etag)


@pytest.mark.long
def test_a_locked_table_stops_everybody_for_so_long(
    backend: SQLBackend, admin: sa.Connection, own_kind: str
) -> None:
    """Look-ups end with an error after the timeout, too; then the store goes on."""
    backend.write(Row("1", user_name="a"), expect=None)
    lock_table(admin, own_kind)
    assert 0.9 < timed(lambda: backend.load("1")) < 5
    assert 0.9 < timed(lambda: backend.find("user_name", "a")) < 5
    unlock(admin, own_kind)
    assert backend.load("1") is not None


def test_opening_waits_for_a_locked_table_only_so_long(
    place: str, backend: SQLBackend, admin: sa.Connection, own_kind: str
) -> None:
    """A store that has to change a table which somebody has locked gives up, and changes nothing."""
    support.query(place, "DELETE FROM zoho_tokenstore")
    lock_table(admin, own_kind)
    began = time.monotonic()
    with pytest.raises(BackendTimeoutError):
        SQLBackend(place, timeout=1)
    assert time.monotonic() - began < 8
    unlock(admin, own_kind)
    SQLBackend(place, timeout=1).close()


def test_a_connection_that_is_cut_in_the_midst_of_a_write(
    place: str, admin: sa.Connection, admin_url: str, own: Local, own_kind: str
) -> None:
    """The save goes on with another connection, and is done once."""
    backend = SQLBackend(place, timeout=10)
    etag = backend.write(Row("1", access_token="1"), expect=None)
    lock_row(admin)
    with ThreadPoolExecutor(1) as pool:
        saving = pool.submit(backend.write, Row("1", access_token="2"), expect=etag)
        wait_until(lambda: waiting(admin_url, own_kind) == 1)
        own.cut_connections()
        wait_until(lambda: waiting(admin_url, own_kind) == 1)
        admin.exec_driver_sql("COMMIT")
        newer = saving.result(10)
    assert backend.load("1") == Row("1", access_token="2", etag=newer)
    backend.close()


def test_what_the_server_undoes_is_done_again(
    backend: SQLBackend, admin: sa.Connection, own_kind: str
) -> None:
    """A deadlock or a serialisation failure, which the server undoes, is not the caller's concern."""
    admin.exec_driver_sql("CREATE SEQUENCE failures")
    if own_kind == support.POSTGRESQL:
        admin.exec_driver_sql("GRANT USAGE ON SEQUENCE failures TO tokens")
        admin.exec_driver_sql(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF nextval('failures') < 4 THEN RAISE SQLSTATE '40P01'; END IF; RETURN NEW; END $$"
        )
        admin.exec_driver_sql(
            "CREATE TRIGGER fail BEFORE INSERT ON oauthtoken FOR EACH ROW EXECUTE FUNCTION fail()"
        )
    else:
        admin.exec_driver_sql(
            "CREATE TRIGGER fail BEFORE INSERT ON oauthtoken FOR EACH ROW IF NEXT VALUE FOR failures < 4 "
            "THEN SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213; END IF"
        )
    etag = backend.write(Row("1"), expect=None)
    assert backend.load("1") == Row("1", etag=etag)


def test_what_the_server_always_undoes_ends_after_the_timeout(
    backend: SQLBackend, admin: sa.Connection, own_kind: str
) -> None:
    """Repeating has a bound, and the error says that nothing was changed."""
    if own_kind == support.POSTGRESQL:
        admin.exec_driver_sql(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "RAISE SQLSTATE '40001'; END $$"
        )
        admin.exec_driver_sql(
            "CREATE TRIGGER fail BEFORE INSERT ON oauthtoken FOR EACH ROW EXECUTE FUNCTION fail()"
        )
    else:
        admin.exec_driver_sql(
            "CREATE TRIGGER fail BEFORE INSERT ON oauthtoken FOR EACH ROW "
            "SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213"
        )
    assert 0.9 < timed(lambda: backend.write(Row("1"), expect=None)) < 5


def test_a_thread_that_finds_all_connections_in_use(
    place: str, admin: sa.Connection, admin_url: str, own_kind: str
) -> None:
    """It waits for the timeout and then says what to raise; the others are not disturbed."""
    backend = SQLBackend(place, timeout=2, pool_size=1)
    etag = backend.write(Row("1"), expect=None)
    lock_row(admin)
    with ThreadPoolExecutor(1) as pool:
        saving = pool.submit(backend.write, Row("1", access_token="2"), expect=etag)
        wait_until(lambda: waiting(admin_url, own_kind) == 1)
        backend._connections._engine.pool._timeout = 0.2  # type: ignore[attr-defined]
        with pytest.raises(BackendTimeoutError, match="all connections of this process were in use"):
            backend.load("1")
        admin.exec_driver_sql("COMMIT")
        saving.result(10)
    assert backend.load("1") is not None
    backend.close()


def test_many_threads_share_few_connections(place: str) -> None:
    """Forty threads on two connections all come to their turn."""
    backend = SQLBackend(place, pool_size=2)
    backend.write(Row("1"), expect=None)
    done = threading.Barrier(40, timeout=60)

    def look(_: int) -> bool:
        done.wait()
        return all(backend.load("1") is not None for _ in range(10))

    with ThreadPoolExecutor(40) as pool:
        assert all(pool.map(look, range(40)))
    backend.close()
