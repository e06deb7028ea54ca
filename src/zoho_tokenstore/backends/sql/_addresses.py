"""Where a database is: which parts of a URL are ours, and which SQLAlchemy's and the driver's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

import sqlalchemy as sa
from sqlalchemy import exc

from zoho_tokenstore._util.urls import seconds
from zoho_tokenstore.errors import ConfigurationError

DRIVERS: Final = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "mariadb": "mysql+pymysql"}
"""Our schemes, and SQLAlchemy's name of the driver we use for each."""

OTHERS: Final = "sql+"

_OURS: Final = ("table", "timeout", "pool_size")
_SHOWN: Final = ("host", "port", "service", "unix_socket")
"""Driver options that say where the server is; all others could be secret."""

_TABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
_SHAPE: Final = (
    "It looks like postgresql://user:password@host/database, mysql://user:password@host/database, or "
    "sql+DIALECT://… for others that SQLAlchemy knows; special characters are written as %40 for @, "
    "%2F for /, %3A for :, %23 for #, %3F for ?."
)


@dataclass(frozen=True)
class DatabaseAddress:
    """A database, and how to use it."""

    scheme: str
    url: sa.URL
    table: str
    timeout: float
    pool_size: int

    @property
    def location(self) -> str:
        """Where it is, for people: without the password and options that could be secret."""
        url = self.url
        shown = {name: value for name, value in url.query.items() if name in _SHOWN}
        plain = sa.URL.create("x", url.username, None, url.host, url.port, url.database, shown)
        named = "" if self.table == "oauthtoken" else f" (table {self.table})"
        return f"{self.scheme}{str(plain).removeprefix('x')}{named}"


def text_of(parts: SplitResult) -> str:
    """Return a URL that was split as it was written, with its slashes."""
    query = f"?{parts.query}" if parts.query else ""
    fragment = f"#{parts.fragment}" if parts.fragment else ""
    return f"{parts.scheme}://{parts.netloc}{parts.path}{query}{fragment}"


def parse_url(text: str, *, table: str, timeout: float, pool_size: int) -> DatabaseAddress:
    """Return the address that a URL means. Its own options have precedence over the arguments.

    Errors do not show the URL: part of it may be a password.
    """
    found = _split(text)
    if found is None:  # raised here: the exception itself may show a password
        raise ConfigurationError(f"The URL of a SQL store cannot be read. {_SHAPE}")
    scheme, url = found
    _check(scheme, url)
    options = {name: _single(name, url.query[name]) for name in _OURS if name in url.query}
    address = DatabaseAddress(
        scheme,
        url.difference_update_query(_OURS),
        options.get("table", table),
        seconds("timeout", options.get("timeout", str(timeout))),
        _size(options.get("pool_size", str(pool_size))),
    )
    _check_table(address.table)
    return address


def of_engine(url: sa.URL, *, table: str, timeout: float, pool_size: int) -> DatabaseAddress:
    """Return the address that an engine leads to."""
    _check_table(table)
    name = url.get_backend_name()
    return DatabaseAddress(name if name in DRIVERS else f"{OTHERS}{name}", url, table, timeout, pool_size)


def _split(text: str) -> tuple[str, sa.URL] | None:
    """Return the scheme of a URL, and the URL that SQLAlchemy knows; `None` if it is not one."""
    scheme, separator, rest = text.partition("://")
    known = DRIVERS.get(scheme) or (scheme.removeprefix(OTHERS) if scheme.startswith(OTHERS) else "")
    if not separator or not known:
        return None
    try:
        parts = urlsplit(f"sql://{rest}")
        if parts.fragment or (parts.port is None and parts.netloc.endswith(":")) or rest.count("@") > 1:
            return None  # most likely part of a password
        url = sa.make_url(f"{known}://{parts.netloc}{parts.path}")
    except (ValueError, exc.ArgumentError):
        return None
    return scheme, url.update_query_pairs(parse_qsl(parts.query, keep_blank_values=True))


def _check(scheme: str, url: sa.URL) -> None:
    backend = url.get_backend_name()
    if scheme.startswith(OTHERS) and backend in DRIVERS:
        raise ConfigurationError(f"For this database write {backend}://; its driver is chosen for you.")
    if backend == "mysql" and not url.database:
        raise ConfigurationError(f"The URL names no database. {_SHAPE}")
    if backend == "sqlite" and url.database in (None, "", ":memory:"):
        raise ConfigurationError("For tokens in memory write memory://.")


def _check_table(name: str) -> None:
    if not _TABLE.fullmatch(name):
        raise ConfigurationError(
            "The table name of a SQL store has letters, digits and underscores, at most 40."
        )


def _single(name: str, value: str | tuple[str, ...]) -> str:
    if not isinstance(value, str):
        raise ConfigurationError(f"The option {name} of a SQL URL is given more than once.")
    return value


def _size(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise ConfigurationError("The pool_size of a SQL store must be a whole number above zero.")
    return int(text)
