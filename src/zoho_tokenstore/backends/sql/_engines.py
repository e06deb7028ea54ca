"""The engine of a store: its pool is ours; its connections may be made by the caller's engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final

import sqlalchemy as sa

from zoho_tokenstore._util import forks
from zoho_tokenstore.backends.sql._dialect import Dialect
from zoho_tokenstore.backends.sql._pool import MADE_AT, IdleClosingPool
from zoho_tokenstore.errors import ConfigurationError

_DRIVERS: Final = {"postgresql": "psycopg", "mysql": "pymysql", "mariadb": "pymysql"}
"""The drivers whose errors and answers we know, by SQLAlchemy's name of the database."""

FORK_TIMEOUT: Final = 15.0
"""How long a fork waits for connections to be made, in seconds; with a time limit none takes longer."""


class ConnectGate:
    """Prevents forks while a connection is being made.

    Drivers spend that time in OpenSSL, with its locks held: a child that inherits one waits
    forever at its first connection. A fork waits only so long: a caller's engine may have no time limit.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._quiet = threading.Condition(self._lock)
        self._inside = 0
        forks.pause_around_fork(self)
        forks.reset_in_child(self)

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1

    def __exit__(self, *exc_info: object) -> None:
        with self._lock:
            self._inside -= 1
            self._quiet.notify_all()

    def pause(self) -> None:
        self._lock.acquire()
        self._quiet.wait_for(lambda: not self._inside, FORK_TIMEOUT)

    def resume(self) -> None:
        self._lock.release()

    def reset(self) -> None:
        self._inside = 0  # whoever was connecting stayed in the parent


def make_engine(
    url: sa.URL, dialect: Dialect, *, timeout: float, size: int, source: Callable[[], Any] | None = None
) -> sa.Engine:
    """Return an engine with a pool that closes idle connections.

    `source` makes a driver connection; by default the dialect does.
    """
    gate = ConnectGate()
    options = {"skip_autocommit_rollback": True} if dialect.is_plain else {}
    engine = sa.create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_reset_on_return=None,  # There is no transaction to undo.
        hide_parameters=True,
        poolclass=IdleClosingPool,
        pool_size=size,
        pool_timeout=timeout,
        gate=gate,
        connect_args=dialect.connect_args(timeout),
        **options,
    )

    @sa.event.listens_for(engine, "do_connect")
    def connect(driver: sa.Dialect, record: Any, args: Any, options: dict[str, Any]) -> Any:
        record.info[MADE_AT] = time.time()
        try:
            with gate:
                if source is not None:
                    return dialect.fit(source())
                return dialect.connect(driver, args, options, timeout)
        except (TypeError, ValueError, FileNotFoundError) as error:  # not the driver's own kind
            raise unusable_option(error) from error

    dialect.prepare(engine, timeout)
    return engine


def connections_of(engine: sa.Engine) -> Callable[[], Any]:
    """Return a function that makes a connection as an engine does, only for us.

    The engine's events run, so that one can fetch a new password. Its pool is left alone: our
    connections have settings that its other users do not expect.
    """
    pool = engine.pool.recreate()  # keeps nothing, as all of its connections are detached

    def connect() -> Any:
        made = pool.connect()
        made.detach()
        made.rollback()  # an event may have begun a transaction
        return made.dbapi_connection

    return connect


def check_engine(engine: object) -> sa.Engine:
    """Return the caller's engine, if a store can use it."""
    if not isinstance(engine, sa.Engine):
        raise ConfigurationError(
            f"engine must be a sqlalchemy.Engine, as create_engine makes it, not {type(engine).__name__}."
        )
    name, driver = engine.dialect.name, engine.dialect.driver
    if name == "sqlite":
        raise ConfigurationError("An engine of SQLite cannot be used. Write sqlite:///… as the URL instead.")
    wanted = _DRIVERS.get(name, driver)
    if driver != wanted or engine.dialect.is_async:
        raise ConfigurationError(
            f"This engine uses the driver {driver}; the store only knows the errors of {wanted}. "
            f"Make it with create_engine('{name}+{wanted}://…')."
        )
    return engine


def unusable_option(error: Exception) -> ConfigurationError:
    """Return the error for a URL option that the driver does not accept."""
    return ConfigurationError(
        f"The driver cannot use an option of the URL: {error}. See the options on the store's page."
    )
