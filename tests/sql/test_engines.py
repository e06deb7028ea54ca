"""Stores on an engine of SQLAlchemy that the caller has made, and keeps."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import psycopg
import pymysql
import pytest
import sqlalchemy as sa
from pymysql.constants import CLIENT

from tests.sql import proxy, support
from tests.sql.conftest import Local
from tests.sql.test_processes import id_of
from zoho_tokenstore import SQLStore
from zoho_tokenstore.backends.sql import SQLBackend
from zoho_tokenstore.errors import (
    BackendError,
    ConfigurationError,
    RetiredIdError,
    RowChangedError,
)
from zoho_tokenstore.records import Row
from zoho_tokenstore.testing import make_token
from zoho_tokenstore.testing._backend import full_row
from zoho_tokenstore.testing._tokens import login

Make = Callable[..., sa.Engine]

SERVERS: Final = pytest.mark.parametrize("kind", support.SERVERS)
DIALECTS: Final = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "mariadb": "mysql+pymysql"}


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes engines, as a program that has its own does, and disposes of them after the test."""
    with ExitStack() as stack:

        def make_engine(url: str, **options: Any) -> sa.Engine:
            engine = sa.create_engine(address(url), **options)
            stack.callback(engine.dispose)
            return engine

        yield make_engine


def address(url: str) -> str:
    """Return a URL of ours as SQLAlchemy writes it."""
    scheme, _, rest = url.partition("://")
    return f"{DIALECTS.get(scheme, scheme)}://{rest}"


@SERVERS
def test_a_store_on_an_engine_does_what_every_store_does(url: str, make: Make) -> None:
    """Rows are written, found, changed, rehearsed, retired and counted, and there are leases."""
    engine = make(url)
    backend = SQLBackend(engine=engine)
    rows = [full_row(f"{number:03}", str(number)) for number in range(30)]
    etags = backend.write_many(rows)
    assert [row._replace(etag=None) for row in support.rows_of(backend.scan())] == rows
    assert backend.load("007") == rows[7]._replace(etag=etags[7])
    for keys in (["access_token-3"], [f"access_token-{number}" for number in range(20)]):
        assert len(backend.find("access_token", *keys)) == len(keys)
    backend.write(rows[7]._replace(access_token="new"), expect=etags[7])
    with pytest.raises(RowChangedError):
        backend.write(rows[7], expect=etags[7])
    backend.rehearse(Row("new"), expect=None)
    assert backend.remove("008") is True
    with pytest.raises(RetiredIdError):
        backend.write(Row("008"), expect=None)
    assert backend.leases.replace("a", "", "one", 10_000) is True
    assert backend.leases.replace("a", "one", "two", 10_000) is True
    assert backend.leases.read("a").text == "two"
    assert backend.clear() == 29
    other = SQLBackend(url)
    assert sum(1 for _ in other.retired.scan()) == 30
    other.close()
    backend.close()


@SERVERS
def test_the_sdk_s_store_takes_an_engine(url: str, make: Make) -> None:
    """What one store saves by an engine, another one finds by the URL."""
    engine = make(url)
    with SQLStore(engine=engine, table="tokens_of_ours") as store:
        token = make_token(**login("patricia@zylker.example"))
        store.save_token(token)
    with SQLStore(url, table="tokens_of_ours") as same:
        assert same.find_token_by_id(token.get_id()).get_access_token() == token.get_access_token()


@SERVERS
def test_the_caller_s_pool_is_left_alone(url: str, make: Make) -> None:
    """The store uses and closes connections of its own, while the caller goes on in a transaction."""
    engine = make(url, pool_size=1, max_overflow=0, pool_timeout=0.1)
    pool = engine.pool
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE theirs (n integer)")
        backend = SQLBackend(engine=engine)
        backend.write(Row("1"), expect=None)
        connection.exec_driver_sql("INSERT INTO theirs VALUES (1)")
        backend.close()
    with pytest.raises(BackendError, match="has been closed"):
        backend.load("1")
    assert engine.pool is pool
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT n FROM theirs").scalar() == 1
    engine.dispose()
    again = SQLBackend(engine=engine)
    engine.dispose()
    assert again.load("1") is not None
    again.close()


@SERVERS
def test_a_store_on_an_engine_has_no_more_connections_than_it_may(url: str, make: Make) -> None:
    """`pool_size` holds as with a URL, whatever the engine's own pool may have."""
    engine = make(url)
    made = []
    sa.event.listen(engine, "do_connect", lambda *_: made.append(1))
    backend = SQLBackend(engine=engine, pool_size=1)
    backend.write(Row("1"), expect=None)
    before = len(made)
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(backend.load, ["1"] * 40))
    assert len(made) <= before + 1
    backend.close()


@SERVERS
def test_connections_come_from_the_engine(url: str, make: Make) -> None:
    """However it makes them: by a function that fetches a new password each time, for example."""
    parts = sa.make_url(address(url))
    made = []

    def connect() -> Any:
        made.append(1)
        if parts.get_backend_name() == "postgresql":
            return psycopg.connect(url)
        return pymysql.connect(
            host=parts.host or "127.0.0.1",
            port=parts.port or 3306,
            user=parts.username,
            password=parts.password or "",
            database=parts.database,
            client_flag=CLIENT.FOUND_ROWS,
        )

    engine = make(f"{parts.drivername}://", creator=connect)
    backend = SQLBackend(engine=engine)
    etag = backend.write(Row("1"), expect=None)
    assert backend.load("1") == Row("1", etag=etag)
    assert made


def test_a_cut_connection_is_replaced(own: Local, place: str, make: Make) -> None:
    """The next look-up, save and deletion get another one from the engine."""
    backend = SQLBackend(engine=make(place, pool_size=2))
    etag = backend.write(Row("1"), expect=None)
    own.cut_connections()
    assert backend.load("1") is not None
    own.cut_connections()
    backend.write(Row("1", user_name="a"), expect=etag)
    own.cut_connections()
    assert backend.remove("1") is True


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of the threads that the test runner has
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@SERVERS
def test_a_child_has_connections_of_its_own(url: str, make: Make) -> None:
    """After a fork the child makes connections by the engine; the parent's connection lives on."""
    engine = make(url)
    backend = SQLBackend(engine=engine, pool_size=1)
    backend.write(Row("1"), expect=None)
    own = id_of(backend)
    for _ in range(3):
        child = os.fork()
        if child == 0:
            signal.alarm(30)
            status = 1
            try:
                status = int(id_of(backend) == own or backend.load("1") is None)
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert backend.load("1") is not None
    assert id_of(backend) == own


@pytest.mark.parametrize("kind", [support.POSTGRESQL])
@pytest.mark.parametrize("option", ["url", "timeout"])
def test_an_engine_stands_alone(url: str, make: Make, option: str) -> None:
    """Where the database is, and how long to wait for an answer, is the engine's to say."""
    given = {"url": url, "timeout": 5}[option]
    for kind in (SQLBackend, SQLStore):
        with pytest.raises(ConfigurationError, match="takes a url or an engine; and no timeout with"):
            kind(engine=make(url), **{option: given})  # type: ignore[arg-type]


def test_neither_a_url_nor_an_engine() -> None:
    """One of them has to be there."""
    with pytest.raises(ConfigurationError, match="takes a url or an engine"):
        SQLBackend()


@pytest.mark.parametrize(
    ("engine", "says"),
    [
        ("postgresql://localhost/db", "must be a sqlalchemy.Engine.*not str"),
        (sa.create_engine("sqlite://"), "Write sqlite:///"),
        (sa.create_engine("mysql+mysqlconnector://localhost/db"), r"create_engine\('mysql\+pymysql://"),
    ],
    ids=["a URL", "SQLite", "another driver"],
)
def test_an_engine_that_cannot_be_used(engine: Any, says: str) -> None:
    """The error says what to use instead, before anything is connected."""
    with pytest.raises(ConfigurationError, match=says):
        SQLBackend(engine=engine)


UNFIT: Final[dict[str, tuple[str, dict[str, Any], str]]] = {
    "latin1": (support.MARIADB, {"charset": "latin1"}, "in latin1.*utf8mb4"),
    "changed rows": (support.MARIADB, {"client_flag": 0}, "only rows that change.*FOUND_ROWS"),
    "LATIN1": (support.POSTGRESQL, {"client_encoding": "latin1"}, "in LATIN1.*client_encoding"),
}


@pytest.mark.parametrize(("kind", "case"), [(kind, case) for case, (kind, *_) in UNFIT.items()])
def test_sessions_that_could_lose_tokens(kind: str, case: str, url: str, make: Make) -> None:
    """The store does not open, makes no tables, and names the option to connect with."""
    _, options, says = UNFIT[case]
    engine = make(url, connect_args=options)
    if case == "changed rows":
        sa.event.listen(engine, "do_connect", _without_flags)
    with pytest.raises(ConfigurationError, match=says):
        SQLBackend(engine=engine)
    assert not sa.inspect(engine).has_table("oauthtoken")


def _without_flags(_dialect: sa.Dialect, _record: object, _args: object, options: dict[str, Any]) -> None:
    options["client_flag"] = 0


@pytest.mark.parametrize("kind", support.SERVERS)
def test_a_look_up_is_one_round_trip(kind: str, tmp_path: Path, make: Make) -> None:
    """As it is with a URL: no ping, no transaction, and no change of the session."""
    with proxy.before(support.url(kind, tmp_path)) as wire:
        backend = SQLBackend(engine=make(wire.url, pool_pre_ping=True))
        backend.load("1")
        before = wire.round_trips
        backend.load("1")
        assert wire.round_trips - before == 1
        backend.close()


@SERVERS
def test_a_fresh_password_for_each_connection(url: str, make: Make) -> None:
    """The engine's events run for the store's connections: one may fetch a token, or begin a transaction."""
    engine = make(url)
    asked = []

    @sa.event.listens_for(engine, "do_connect")
    def fetch_token(_dialect: sa.Dialect, _record: object, _args: object, options: dict[str, Any]) -> None:
        asked.append(options.get("password"))

    @sa.event.listens_for(engine, "connect")
    def look(connection: Any, _record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")

    backend = SQLBackend(engine=engine)
    backend.write(Row("1"), expect=None)
    assert asked
    backend.close()
