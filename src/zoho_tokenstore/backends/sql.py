"""Rows in a SQL database: for all threads, processes and hosts that reach it."""

from __future__ import annotations

from importlib import import_module
from typing import Final, Self
from urllib.parse import SplitResult

from zoho_tokenstore.errors import ConfigurationError, MissingDependencyError

try:
    from sqlalchemy import exc
except ModuleNotFoundError as error:
    raise MissingDependencyError(
        "SQLAlchemy is not installed. Install it with the driver of your database: pip install "
        '"zoho-tokenstore[postgresql]", "zoho-tokenstore[mysql]" or, for others, "zoho-tokenstore[sql]".'
    ) from error

from zoho_tokenstore.backends._sql import addresses, schema
from zoho_tokenstore.backends._sql.addresses import Address
from zoho_tokenstore.backends._sql.connections import Connections, unusable_option
from zoho_tokenstore.backends._sql.dialect import Dialect
from zoho_tokenstore.backends._sql.leases import SQLLeases
from zoho_tokenstore.backends._sql.table import Table

DEFAULT_TABLE: Final = "oauthtoken"
DEFAULT_TIMEOUT: Final = 10.0
DEFAULT_POOL_SIZE: Final = 5

_DIALECTS: Final = {
    "postgresql": "postgresql:PostgreSQL",
    "mysql": "mysql:MySQL",
    "mariadb": "mysql:MySQL",
}
"""Modules and classes, imported when they are asked for: each knows a driver."""


class SQLBackend(Table):
    """The `oauthtoken` table of a SQL database.

    The tables are created if there are none; the table of the SDK's `DBStore` is taken over in
    place. All threads share the store; each call has a connection of a pool, and every statement
    is a transaction. Leases are in the database, so that they hold for all who use it.

    Arguments:
        url: ``postgresql://…``, ``mysql://…``, ``mariadb://…``, or ``sql+DIALECT://…`` for any other
            database that SQLAlchemy knows. Its options ``table``, ``timeout`` and ``pool_size``
            have precedence over the arguments; all others are the driver's.
        table: the name of the tokens' table.
        timeout: how long to wait for a connection, a lock or an answer, in seconds.
        pool_size: how many connections a process has at most.

    Raises:
        ConfigurationError: the URL cannot be used, or the server is too old.
        MissingDependencyError: the driver is not installed.
        BackendError: the table is not the published one, or of a newer release.
        BackendUnavailableError: the server cannot be reached, or refuses the login.
        BackendTimeoutError: it did not answer in time.
    """

    def __init__(
        self,
        url: str,
        *,
        table: str = DEFAULT_TABLE,
        timeout: float = DEFAULT_TIMEOUT,
        pool_size: int = DEFAULT_POOL_SIZE,
    ) -> None:
        address = addresses.read(url, table=table, timeout=timeout, pool_size=pool_size)
        dialect = _dialect(address)
        connections = _connections(address, dialect)
        try:
            connections.run(dialect.check, connections.location)
            super().__init__(connections, dialect)
            self.leases = SQLLeases(connections, dialect)
            schema.ensure(connections, dialect, self._try_rows)
            self._try_out()
        except BaseException:
            connections.close()
            raise

    @classmethod
    def from_url(cls, parts: SplitResult) -> Self:
        """Open the store at a URL; its options are the arguments of the class, and the driver's."""
        query = f"?{parts.query}" if parts.query else ""
        fragment = f"#{parts.fragment}" if parts.fragment else ""
        return cls(f"{parts.scheme}://{parts.netloc}{parts.path}{query}{fragment}")

    def __repr__(self) -> str:
        return f"SQLBackend({self.location!r})"


def _dialect(address: Address) -> Dialect:
    target = _DIALECTS.get(address.scheme)
    if target is None:
        return Dialect(address.table)
    module, _, name = target.partition(":")
    try:
        kind: type[Dialect] = getattr(import_module(f"zoho_tokenstore.backends._sql.{module}"), name)
    except ImportError as error:
        raise _missing(module) from error
    return kind(address.table)


def _connections(address: Address, dialect: Dialect) -> Connections:
    try:
        return Connections(
            address.url, dialect, address.location, timeout=address.timeout, size=address.pool_size
        )
    except exc.NoSuchModuleError:
        raise ConfigurationError(
            f"SQLAlchemy knows no dialect {address.url.drivername!r}. Install the package that brings it."
        ) from None
    except ImportError as error:
        raise _missing(dialect.extra, error.name) from error
    except (TypeError, ValueError) as error:  # SQLAlchemy reads some of the driver's options itself
        raise unusable_option(error) from error


def _missing(extra: str, driver: str | None = None) -> MissingDependencyError:
    wanted = (driver or "the driver") if extra == Dialect.extra else f"zoho-tokenstore[{extra}]"
    return MissingDependencyError(f'The driver for this database is not installed: pip install "{wanted}".')
