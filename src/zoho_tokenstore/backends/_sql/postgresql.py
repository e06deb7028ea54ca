"""PostgreSQL, by psycopg."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Final, TypeVar

import psycopg
import sqlalchemy as sa
from psycopg import errors

from zoho_tokenstore.backends._sql import failures, texts, triggers
from zoho_tokenstore.backends._sql.dialect import DIGESTED, OWN_COLUMNS, Dialect, Values, begin_with, by_words
from zoho_tokenstore.backends._sql.failures import Failure
from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.records import COLUMNS, LOOKUPS

if tuple(map(int, psycopg.__version__.split(".")[:2])) < (3, 3):
    raise ImportError("psycopg 3.3 or newer is needed: older ones wait for an answer without an end")

_OLDEST: Final = (13,)
_GRACE: Final = 2.0
"""How much longer than the server we wait, in seconds: it knows what became of the statement."""

_LOCK: Final = 0x5A6F686F  # any number, the same everywhere: "Zoho"

_COLUMN_TYPE: Final = 'text COLLATE "C"'

_STATES: Final = {
    "08": failures.LOST,
    "57P01": failures.LOST,
    "57P02": failures.LOST,
    "57P05": failures.LOST,
    "25P03": failures.LOST,
    "40": failures.PASSING,
    "55P03": failures.LOCKED,
    "57014": failures.SLOW,
    "25006": failures.READ_ONLY,
    "53100": failures.FULL,
    "53200": failures.NO_MEMORY,
    "53300": failures.CROWDED,
    "57P03": failures.STARTING,
    "28": failures.REFUSED,
    "3D000": failures.UNKNOWN,
    "42501": failures.NOT_ALLOWED,
    "42P01": failures.NO_TABLE,
    "42703": failures.NO_TABLE,
    "22": failures.TOO_LONG,
    "54": failures.TOO_LONG,
}
"""SQLSTATEs, or the classes that they begin with: https://www.postgresql.org/docs/current/errcodes-appendix.html"""

_CONNECTING: Final = {
    "too many": failures.CROWDED,
    "connection slots": failures.CROWDED,
    'role "': failures.REFUSED,
    "does not exist": failures.UNKNOWN,
    "password": failures.REFUSED,
    "authentication": failures.REFUSED,
    "pg_hba.conf": failures.REFUSED,
    "permission denied for database": failures.REFUSED,
    "starting up": failures.STARTING,
    "shutting down": failures.STARTING,
    "recovery mode": failures.STARTING,
    "not yet accepting connections": failures.STARTING,
    "read-only": failures.READ_ONLY,
    "certificate": failures.INSECURE,
    "SSL": failures.INSECURE,
    "timeout": failures.DEAF,
}
"""What the text of a failed login says; it has no SQLSTATE. The first entry that fits counts."""

_SCHEMA_OF: Final = sa.text(
    "SELECT coalesce((SELECT relnamespace::regnamespace::text FROM pg_class "
    "WHERE oid = to_regclass(quote_ident(:name))), current_schema())"
)
"""In which schema a table is, or would be made."""

R = TypeVar("R")


class NoAnswer(psycopg.OperationalError):
    """The server did not answer in time, and the connection has been closed."""


class PatientConnection(psycopg.Connection[Any]):
    """A connection that waits for an answer only so long.

    The server has time limits of its own, but it may be frozen, or gone without a word.
    """

    patience: float = 30.0

    def wait(self, gen: Generator[Any, Any, R], *args: Any, **kwargs: Any) -> R:
        """Consume a generator operating on the connection."""
        try:
            return super().wait(_until(gen, time.monotonic() + self.patience), *args, **kwargs)
        except NoAnswer:
            self.close()
            raise


def _until(steps: Generator[Any, Any, R], deadline: float) -> Generator[Any, Any, R]:
    """Pass a generator's steps on, until nothing has been ready and the time is up."""
    try:
        wanted = next(steps)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() > deadline:
                raise NoAnswer("the server did not answer in time")
            wanted = steps.send(ready)
    except StopIteration as done:
        result: R = done.value
        return result


class PostgreSQL(Dialect):
    """PostgreSQL 13 and newer.

    Texts are compared by their bytes (`COLLATE "C"`). NUL, which its texts cannot hold, is escaped.
    Hash indexes find rows by texts of any length. Two triggers give the rows that others write a
    new etag and their times.
    """

    extra: ClassVar[str] = "postgresql"
    is_plain: ClassVar[bool] = True
    deletes_retire: ClassVar[bool] = True
    own_columns: ClassVar[tuple[str, ...]] = OWN_COLUMNS

    # ---- columns and values

    def text_type(self) -> sa.types.TypeEngine[str]:
        return sa.Text(collation="C")

    def id_type(self) -> sa.types.TypeEngine[str]:
        return sa.Text(collation="C")

    def lookup(self, index: str) -> sa.ColumnElement[Any]:
        columns = self.tokens.c
        if index not in DIGESTED:
            return columns[index]
        return sa.func.coalesce(columns[f"{index}_digest"], columns[index])

    def key_value(self, text: str) -> str:
        return texts.escape(text)

    def encoded(self, text: str) -> str:
        return texts.escape(text)

    def decoded(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        for value in values:
            if value.__class__ is str and "\x01" in value:
                return tuple(texts.unescape(text) if isinstance(text, str) else text for text in values)
        return values

    def is_duplicate_id(self, error: BaseException | None) -> bool:
        return isinstance(error, errors.UniqueViolation) and error.diag.constraint_name == self.key_name

    def derived(self, keys: Mapping[str, str | None]) -> Values:  # noqa: ARG002
        return {}

    # ---- connecting

    def connect_args(self, timeout: float) -> dict[str, Any]:
        return {
            "client_encoding": "utf8",
            "connect_timeout": max(2, round(min(timeout, 10))),  # libpq counts no less
            "keepalives_idle": 60,
            "keepalives_interval": 10,
            "keepalives_count": 3,
        }

    def connect(self, dialect: sa.Dialect, args: Any, options: dict[str, Any], timeout: float) -> Any:  # noqa: ARG002
        threshold = options.get("prepare_threshold")
        if threshold is not None:  # psycopg knows it as an argument only
            options["prepare_threshold"] = int(threshold) if threshold.isdecimal() else None
        try:
            connection = PatientConnection.connect(*args, **options)
        except psycopg.ProgrammingError as error:  # libpq does not know an option; it names it alone
            raise ValueError(str(error).strip()) from error
        connection.patience = timeout + _GRACE
        return connection

    def prepare(self, engine: sa.Engine, timeout: float) -> None:
        wait = max(1, round(timeout * 1000))
        # Waiting for a lock ends first, so that its error says what it was.
        limits = f"SET lock_timeout = {wait}; SET statement_timeout = {wait + 500}"
        begin_with(engine, limits, first=False)  # when each statement is a transaction

    def check(self, connection: sa.Connection, location: str) -> None:
        version = connection.dialect.server_version_info or ()
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
        if version < _OLDEST:
            raise ConfigurationError(f"The token database {location} is older than PostgreSQL 13.")
        if encoding != "UTF8":
            raise ConfigurationError(
                f"The token database {location} keeps texts as {encoding}, which cannot hold all of them. "
                "Make a database with ENCODING 'UTF8'."
            )
        schema = connection.execute(_SCHEMA_OF, {"name": self.tokens.name}).scalar()
        if schema is None:
            raise ConfigurationError(f"The search_path of {location} names no schema that is there.")
        # From here on by its name: behind a pooler, other programs may change the search_path.
        self.declare(schema)

    def failure(self, error: BaseException, *, connecting: bool) -> Failure:
        if isinstance(error, NoAnswer):
            return failures.SILENT
        state = getattr(error, "sqlstate", None)
        if state is not None:
            known = _STATES.get(state) or _STATES.get(state[:2])
            return known or failures.other(error, state)
        if connecting:
            told = str(error)
            return next((f for text, f in _CONNECTING.items() if text in told), failures.UNREACHABLE)
        if isinstance(error, errors.OperationalError | errors.InterfaceError):
            return failures.LOST
        return failures.TOO_LONG if isinstance(error, errors.DataError) else failures.other(error)

    # ---- transactions and the schema

    @contextmanager
    def transaction(self, connection: sa.Connection, *, keep: bool = True) -> Iterator[None]:
        with by_words(connection, keep=keep):
            if not keep:  # what is checked at the commit would not be
                connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
            yield

    @contextmanager
    def exclusive(self, connection: sa.Connection, location: str, timeout: float) -> Iterator[None]:  # noqa: ARG002
        with self.transaction(connection):
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            yield

    def type_of(self, connection: sa.Connection, column: sa.Column[Any]) -> str:  # noqa: ARG002
        kind = "bigint" if isinstance(column.type, sa.BigInteger) else _COLUMN_TYPE
        return kind if column.nullable else f"{kind} NOT NULL"

    def adopt(self, connection: sa.Connection, missing: Sequence[str]) -> None:
        prepare = connection.dialect.identifier_preparer
        table, retired = prepare.format_table(self.tokens), prepare.format_table(self.retired)
        changes = [f"ALTER COLUMN {name} TYPE {_COLUMN_TYPE}" for name in COLUMNS]
        changes += [f"ALTER COLUMN {name} DROP NOT NULL" for name in COLUMNS[1:]]
        changes += [f"ADD COLUMN {name} {self.type_of(connection, self.tokens.c[name])}" for name in missing]
        connection.exec_driver_sql(f"ALTER TABLE {table} {', '.join(changes)}")
        for index in LOOKUPS:
            self.add_index(connection, index, self.lookup(index), postgresql_using="hash")
        for statement in triggers.marking(table, f"{table}_mark"):
            connection.exec_driver_sql(statement)
        for statement in triggers.retiring(table, f"{retired}_add", retired):
            connection.exec_driver_sql(statement)
