"""Rows in a SQL database: for all threads, processes and hosts that reach it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Self
from urllib.parse import SplitResult

from zoho_tokenstore.backend import SupportsAudit, SupportsLeases
from zoho_tokenstore.errors import ConfigurationError, MissingDependencyError

try:
    from sqlalchemy import Engine, exc
except ModuleNotFoundError as error:
    raise MissingDependencyError(
        "SQLAlchemy is not installed. Install it with the driver of your database: pip install "
        '"zoho-tokenstore[postgresql]", "zoho-tokenstore[mysql]" or, for others, "zoho-tokenstore[sql]".'
    ) from error

from zoho_tokenstore.backends.sql import _addresses as addresses
from zoho_tokenstore.backends.sql import _schema as schema
from zoho_tokenstore.backends.sql._addresses import DatabaseAddress
from zoho_tokenstore.backends.sql._audit import SQLAuditLog
from zoho_tokenstore.backends.sql._connections import SQLConnections
from zoho_tokenstore.backends.sql._dialect import Dialect
from zoho_tokenstore.backends.sql._engines import check_engine, connections_of, make_engine, unusable_option
from zoho_tokenstore.backends.sql._leases import SQLLeases
from zoho_tokenstore.backends.sql._table import SQLTable

__all__ = ["SQLBackend"]

DEFAULT_TABLE: Final = "oauthtoken"
DEFAULT_TIMEOUT: Final = 10.0
DEFAULT_POOL_SIZE: Final = 5


class SQLBackend(SQLTable, SupportsLeases, SupportsAudit):
    """The `oauthtoken` table of a SQL database.

    The tables are created if there are none; the table of the SDK's `DBStore` is taken over in
    place. All threads share the store; each call has a connection of a pool, and every statement
    is a transaction. Leases are in the database, so that they hold for all who use it.

    Arguments:
        url: ``postgresql://…``, ``mysql://…``, ``mariadb://…``, or ``sql+DIALECT://…`` for any other
            database that SQLAlchemy knows. Its options ``table``, ``timeout`` and ``pool_size``
            have precedence over the arguments; all others are the driver's.
        engine: a SQLAlchemy engine that makes the store's connections, instead of a URL. It stays the
            caller's; its own pool is not used.
        table: the name of the tokens' table.
        timeout: how long to wait for a connection, a lock or an answer, in seconds; 10 by default.
        pool_size: how many connections a process has at most.

    Raises:
        ConfigurationError: the URL or the engine cannot be used, or the server is too old.
        MissingDependencyError: the driver is not installed.
        BackendError: the table is not the published one, or of a newer release.
        BackendUnavailableError: the server cannot be reached, or refuses the login.
        BackendTimeoutError: it did not answer in time.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        engine: Engine | None = None,
        table: str = DEFAULT_TABLE,
        timeout: float | None = None,
        pool_size: int = DEFAULT_POOL_SIZE,
    ) -> None:
        if (url is None) == (engine is None) or (engine is not None and timeout is not None):
            raise ConfigurationError("A SQL store takes a url or an engine; and no timeout with an engine.")
        limit = DEFAULT_TIMEOUT if timeout is None else timeout
        source = None
        if engine is not None:
            source = connections_of(check_engine(engine))
            address = addresses.of_engine(engine.url, table=table, timeout=limit, pool_size=pool_size)
        elif url is not None:
            address = addresses.parse_url(url, table=table, timeout=limit, pool_size=pool_size)
        dialect = _dialect(address)
        connections = _connections(address, dialect, source)
        try:
            connections.run(dialect.check, connections.location)
            connections.run(dialect.take_over)
            if source is not None:
                connections.run(dialect.check_session, connections.location)
            super().__init__(connections, dialect)
            self.leases = SQLLeases(connections, dialect)
            self.audit = SQLAuditLog(connections, dialect)
            schema.ensure(connections, dialect, self._try_tables)
            self._try_out()
        except BaseException:
            connections.close()
            raise

    @classmethod
    def from_url(cls, parts: SplitResult) -> Self:
        """Open the store at a URL; its options are the arguments of the class, and the driver's."""
        return cls(addresses.text_of(parts))

    def __repr__(self) -> str:
        return f"SQLBackend({self.location!r})"


def _dialect(address: DatabaseAddress) -> Dialect:
    """Return what knows the kind of server; each imports a driver, and so is imported when it is needed."""
    name = address.url.get_backend_name()
    kind = Dialect
    try:
        if name == "postgresql":
            from zoho_tokenstore.backends.sql._postgresql import PostgreSQL as kind
        elif name in ("mysql", "mariadb"):
            from zoho_tokenstore.backends.sql._mysql import MySQL as kind
        elif name == "sqlite":
            from zoho_tokenstore.backends.sql._sqlite import SQLite as kind
    except ImportError as error:
        raise _missing("postgresql" if name == "postgresql" else "mysql") from error
    return kind(address.table)


def _connections(
    address: DatabaseAddress, dialect: Dialect, source: Callable[[], Any] | None
) -> SQLConnections:
    try:
        engine = make_engine(
            address.url, dialect, timeout=address.timeout, size=address.pool_size, source=source
        )
    except exc.NoSuchModuleError:
        raise ConfigurationError(
            f"SQLAlchemy knows no dialect {address.url.drivername!r}. Install the package that brings it."
        ) from None
    except ImportError as error:
        raise _missing(dialect.extra, error.name) from error
    except (TypeError, ValueError) as error:  # SQLAlchemy reads some of the driver's options itself
        raise unusable_option(error) from error
    return SQLConnections(engine, dialect, address.location, timeout=address.timeout)


def _missing(extra: str, driver: str | None = None) -> MissingDependencyError:
    wanted = (driver or "the driver") if extra == Dialect.extra else f"zoho-tokenstore[{extra}]"
    return MissingDependencyError(f'The driver for this database is not installed: pip install "{wanted}".')
