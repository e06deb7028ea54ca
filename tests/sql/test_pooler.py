"""Behind PgBouncer, whose connections many programs use in turn."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import psycopg
import pytest

from tests.sql import support
from tests.sql.conftest import Local
from tests.support import servers
from tests.support.servers import pgbouncer, postgresql
from zoho_tokenstore.backends.sql import SQLBackend
from zoho_tokenstore.errors import BackendError, BackendUnavailableError, ConfigurationError, RowChangedError
from zoho_tokenstore.records import Row

pytestmark = pytest.mark.parametrize("own", [support.POSTGRESQL], indirect=True)

SETTINGS: Final = (
    "statement_timeout",
    "lock_timeout",
    "search_path",
    "default_transaction_read_only",
    "TimeZone",
)

Start = Callable[..., str]


@pytest.fixture
def start(own: Local) -> Iterator[Start]:
    """Starts poolers before our own server."""
    with contextlib.ExitStack() as stack:

        def started(**options: Any) -> str:
            assert isinstance(own, postgresql.Local)
            try:
                return stack.enter_context(pgbouncer.before(own, **options))
            except servers.Unavailable as missing:
                if os.environ.get("CI"):
                    pytest.fail(f"In CI every server must be there. pgbouncer: {missing}")
                pytest.skip(f"no pgbouncer: {missing}")

        yield started


@pytest.fixture
def database(own: Local) -> Iterator[str]:
    """A database of its own, which is gone after the test."""
    own.admin("CREATE DATABASE tokens_pooled OWNER tokens")
    yield "tokens_pooled"
    own.admin("DROP DATABASE tokens_pooled WITH (FORCE)")


def use(backend: SQLBackend, owner: str) -> None:
    """Save and read rows, often enough for statements to be prepared; none may be another store's."""
    for turn in range(40):
        found = backend.load("1")
        assert found is not None
        assert found.user_name == owner
        assert [row.user_name for row in support.rows_of(backend.find("access_token", "token"))] == [owner]
        backend.write(found._replace(expiry_time=str(turn)), expect=found.etag)
    for turn in range(20):
        was = backend.leases.read(owner).text
        assert backend.leases.replace(owner, was, f"{owner} {turn}", 60_000)


@pytest.mark.long
@pytest.mark.parametrize("mode", ["transaction", "session"])
@pytest.mark.parametrize("size", [1, 3])
def test_two_tables_are_not_mixed(start: Start, database: str, mode: str, size: int) -> None:
    """Two stores that share connections of the server read and write their own rows alone."""
    url = f"postgresql://{start(mode=mode, size=size)}/{database}"
    width = 1 if mode == "session" else 3
    stores = [SQLBackend(url, table=f"tokens_{name}", pool_size=width) for name in "ab"]
    for backend, owner in zip(stores, "ab", strict=True):
        backend.write(Row("1", user_name=owner, access_token="token"), expect=None)
        if mode == "session":
            backend.close()
    if mode == "session":
        stores = [SQLBackend(url, table=f"tokens_{name}", pool_size=width) for name in "ab"]
        for backend, owner in zip(stores, "ab", strict=True):
            use(backend, owner)
            backend.close()
        return
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(use, stores, "ab"))
    for backend in stores:
        backend.close()


def test_two_databases_are_not_mixed(start: Start, database: str, place: str) -> None:
    """Nor are the stores of two databases behind one pooler."""
    address = start(size=2)
    stores = [
        SQLBackend(f"postgresql://{address}/{name}", table="tokens_own") for name in (database, "tokens")
    ]
    for backend, owner in zip(stores, "ab", strict=True):
        backend.clear()
        backend.write(Row(owner, user_name=owner), expect=None)
    for _ in range(20):
        assert [[row.id for row in backend.scan()] for backend in stores] == [["a"], ["b"]]
    for backend in stores:
        backend.close()


def test_nothing_is_left_on_a_shared_connection(start: Start, database: str) -> None:
    """Another program finds the server's own settings, no prepared statement and no open transaction."""
    url = f"postgresql://{start()}/{database}"
    with psycopg.connect(url, autocommit=True) as plain:
        before = settings(plain)
        backend = SQLBackend(url, timeout=2)
        backend.write(Row("1", user_name="a", access_token="token"), expect=None)
        use(backend, "a")
        backend.rehearse(Row("2"), expect=None)
        backend.remove("1")
        backend.clear()
        with pytest.raises(RowChangedError):
            backend.rehearse(Row("1"), expect=7)
        assert settings(plain) == before
        backend.close()
        assert settings(plain) == before


def settings(plain: psycopg.Connection[Any]) -> list[Any]:
    shown = [plain.execute(f"SHOW {name}".encode(), prepare=False).fetchall() for name in SETTINGS]
    return [*shown, plain.execute("SELECT name FROM pg_prepared_statements", prepare=False).fetchall()]


def test_settings_of_others_do_not_lead_astray(start: Start, database: str) -> None:
    """Another program that has set a search_path on the shared connection does not move our tables."""
    url = f"postgresql://{start()}/{database}"
    backend = SQLBackend(url)
    backend.write(Row("1", user_name="ours", access_token="token"), expect=None)
    with psycopg.connect(url, autocommit=True) as plain:
        plain.execute("CREATE SCHEMA theirs")
        plain.execute("CREATE TABLE theirs.oauthtoken (LIKE public.oauthtoken)")
        plain.execute("SET search_path = theirs")
        use(backend, "ours")
        assert plain.execute("SELECT count(*) FROM theirs.oauthtoken").fetchone() == (0,)
    backend.close()


def test_a_schema_in_the_url(start: Start, database: str) -> None:
    """A pooler that refuses the option, or drops it, is told; in no case is another schema's table used."""
    path = "?options=-csearch_path%3Dtheirs"
    with pytest.raises(BackendUnavailableError, match="does not pass on a URL option"):
        SQLBackend(f"postgresql://{start()}/{database}{path}", timeout=2)
    address = start(more="ignore_startup_parameters = options")
    with pytest.raises(ConfigurationError, match="does not pass on the URL's search_path"):
        SQLBackend(f"postgresql://{address}/{database}{path}", timeout=2)


def test_a_lock_behind_a_pooler_ends_in_time(own: Local, start: Start, database: str) -> None:
    """Without a time limit on the server: the statement is cancelled, and nothing was changed."""
    backend = SQLBackend(f"postgresql://{start(size=2)}/{database}", timeout=1)
    etag = backend.write(Row("1"), expect=None)
    with psycopg.connect(host=str(own.folder), port=own.port, user="postgres", dbname=database) as locker:
        locker.execute("SELECT * FROM oauthtoken FOR UPDATE")
        with pytest.raises(BackendError, match="Nothing was changed"):
            backend.write(Row("1", user_name="late"), expect=etag)
    assert backend.load("1") == Row("1", etag=etag)
    backend.close()
