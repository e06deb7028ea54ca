"""PostgreSQL, by psycopg."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Final, TypeVar

import psycopg
import sqlalchemy as sa
from psycopg import errors
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import insert

from zoho_tokenstore.backends._sql import failures, texts, triggers
from zoho_tokenstore.backends._sql.dialect import DIGESTED, OWN_COLUMNS, Dialect, Values, by_words
from zoho_tokenstore.backends._sql.failures import Failure
from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.records import COLUMNS, LOOKUPS

if tuple(map(int, psycopg.__version__.split(".")[:2])) < (3, 3):
    raise ImportError("psycopg 3.3 or newer is needed: older ones wait for an answer without an end")

_OLDEST: Final = (13,)
_GRACE: Final = 2.0
"""How long to wait for the server after it was told to cancel, in seconds: it knows what became of it."""

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
    "42P01": failures.NO_TABLE,
    "42703": failures.NO_TABLE,
    "22": failures.TOO_LONG,
    "54": failures.TOO_LONG,
}
"""SQLSTATEs, or the classes that they begin with: https://www.postgresql.org/docs/current/errcodes-appendix.html"""

_NAMED: Final = ("42501", "P0001")

_CONNECTING: Final = {
    "too many": failures.CROWDED,
    "no more connections": failures.CROWDED,
    "unsupported startup parameter": failures.STARTUP,
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

_KINDS: Final = {
    "v": "a view",
    "m": "a materialized view",
    "f": "a foreign table",
    "u": "unlogged, and emptied by a crash",
    "t": "temporary",
}

_SCHEMA_OF: Final = sa.text(
    "SELECT coalesce((SELECT relnamespace::regnamespace::text FROM pg_class "
    "WHERE oid = to_regclass(quote_ident(:name))), current_schema())"
)
"""In which schema a table is, or would be made."""

# Not that of the moment: what may change within a statement cannot be found by an index.
_CLOCK_MS: Final[sa.ColumnElement[int]] = sa.literal_column(
    "CAST(extract(epoch FROM statement_timestamp()) * 1000 AS bigint)", sa.BigInteger
)

R = TypeVar("R")


class NoAnswer(psycopg.OperationalError):
    """The server did not answer in time, and the connection has been closed."""


class PatientConnection(psycopg.Connection[Any]):
    """A connection that waits for an answer only so long; then it has the server cancel the statement.

    No time limit is set on the server: behind a pooler the session is not ours alone, and others
    would have it too. The server may also be frozen, or gone without a word.
    """

    patience: float = 30.0

    def wait(self, gen: Generator[Any, Any, R], *args: Any, **kwargs: Any) -> R:
        """Consume a generator operating on the connection."""
        try:
            return super().wait(self._bounded(gen), *args, **kwargs)
        except NoAnswer:
            self.close()
            raise

    def _bounded(self, steps: Generator[Any, Any, R]) -> Generator[Any, Any, R]:
        """Pass a generator's steps on, until nothing has been ready and the time is up."""
        deadline, is_cancelled = time.monotonic() + self.patience, False
        try:
            wanted = next(steps)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() > deadline:
                    if is_cancelled:
                        raise NoAnswer("the server did not answer in time")
                    deadline, is_cancelled = deadline + _GRACE, True
                    self._cancel()
                wanted = steps.send(ready)
        except StopIteration as done:
            result: R = done.value
            return result

    def _cancel(self) -> None:
        if psycopg.capabilities.has_cancel_safe():  # older libraries would wait for it without an end
            with contextlib.suppress(psycopg.Error):
                self.cancel_safe(timeout=_GRACE / 2)


def _check_search_path(connection: sa.Connection, location: str) -> None:
    """Raise an error if a pooler has dropped the schema that the URL names."""
    options = connection.engine.url.query.get("options") or ""
    asked = re.search(r"search_path\s*=\s*(\S+)", str(options))
    set_to = str(connection.exec_driver_sql("SHOW search_path").scalar_one())
    if asked and _bare(asked[1]) != _bare(set_to):
        raise ConfigurationError(
            f"A pooler does not pass the search_path of the URL on to {location}. Set it for the role: "
            "ALTER ROLE … SET search_path."
        )


def _bare(path: str) -> str:
    return re.sub(r"[\s\"\\]", "", path)


def _named(error: Any) -> Failure:
    """Return the failure that a name tells more of: that of a rule, or of a right."""
    told = error.diag
    if error.sqlstate == "42501":
        return failures.not_allowed(told.message_primary or "")
    if error.sqlstate == "P0001":
        return failures.against("a trigger, which raised an error")
    if told.constraint_name:
        return failures.against(f"the constraint {told.constraint_name}")
    return failures.against(f"the column {told.column_name}, which must have a value")


def _is_pooled(connection: PatientConnection) -> bool:
    """Tell whether a pooler answers: it hides which of the server's processes does the work.

    That may be another one after every transaction, which knows no statement that was prepared, or
    knows another one by the same name.
    """
    try:
        (pid,) = connection.execute("SELECT pg_backend_pid()", prepare=False).fetchone() or (0,)
    except BaseException:
        connection.close()
        raise
    return bool(pid != connection.info.backend_pid)


class PostgreSQL(Dialect):
    """PostgreSQL 13 and newer.

    Texts are compared by their bytes (`COLLATE "C"`). NUL, which its texts cannot hold, is escaped.
    Hash indexes find rows by texts of any length. Two triggers give the rows that others write a
    new etag and their times.
    """

    extra: ClassVar[str] = "postgresql"
    is_plain: ClassVar[bool] = True
    deletes_retire: ClassVar[bool] = True
    planned_anew: ClassVar[Mapping[str, Any]] = {"prepare": False}
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

    def lists(self, index: str) -> sa.TextClause:
        # Key by key (OFFSET 0 keeps it so): a table that has just grown has no statistics, and the
        # planner would rather read all of it than look up hundreds of keys.
        table = postgresql.dialect().identifier_preparer.format_table(self.tokens)  # type: ignore[no-untyped-call]
        by = f"coalesce(t.{index}_digest, t.{index})" if index in DIGESTED else f"t.{index}"
        return sa.text(
            "id = ANY(ARRAY(SELECT found.id FROM unnest(CAST(:keys AS text[])) AS given(key), "  # noqa: S608
            f'LATERAL (SELECT t.id FROM {table} AS t WHERE {by} = given.key COLLATE "C" OFFSET 0) AS found))'
        )

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

    def insert_many(self, connection: sa.Connection, single: sa.Insert, rows: Sequence[Values]) -> int:  # noqa: ARG002
        # As one JSON text: psycopg would spend more on the values than the server on all the rest.
        table, retired = map(connection.dialect.identifier_preparer.format_table, (self.tokens, self.retired))
        names = ", ".join(rows[0])
        types = ", ".join(f"{name} {self.type_of(connection, self.tokens.c[name])}" for name in rows[0])
        text = (
            f"INSERT INTO {table} ({names}) SELECT {names} "  # noqa: S608  # names of ours
            f"FROM json_to_recordset(%s) AS given ({types.replace(' NOT NULL', '')}) "
            f"WHERE NOT EXISTS (SELECT FROM {table} AS other WHERE other.id = given.id) "
            f"AND NOT EXISTS (SELECT FROM {retired} AS gone WHERE gone.id = given.id)"
        )
        return connection.exec_driver_sql(text, (json.dumps(rows),)).rowcount

    # ---- leases

    def clock_ms(self) -> sa.ColumnElement[int]:
        return _CLOCK_MS

    def insert_new(self, table: sa.Table) -> sa.Insert:
        return insert(table).on_conflict_do_nothing()  # a duplicate would be an error in the server's log

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
        threshold = options.pop("prepare_threshold", None)  # psycopg knows it as an argument only
        try:
            connection = PatientConnection.connect(*args, autocommit=True, **options)
        except psycopg.ProgrammingError as error:  # libpq does not know an option; it names it alone
            raise ValueError(str(error).strip()) from error
        connection.patience = timeout
        if threshold is not None:
            connection.prepare_threshold = int(threshold) if threshold.isdecimal() else None
        elif _is_pooled(connection):
            connection.prepare_threshold = None
        return connection

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
        _check_search_path(connection, location)
        schema = connection.execute(_SCHEMA_OF, {"name": self.tokens.name}).scalar()
        if schema is None:
            raise ConfigurationError(f"The search_path of {location} names no schema that is there.")
        # From here on by its name: behind a pooler, other programs may change the search_path.
        self.declare(schema)

    def unfit_kind(self, connection: sa.Connection) -> str | None:
        asked = sa.text(
            "SELECT relkind, relispartition, relpersistence FROM pg_class WHERE oid = to_regclass(:name)"
        )
        name = connection.dialect.identifier_preparer.format_table(self.tokens)
        kind, is_partition, persistence = connection.execute(asked, {"name": name}).one()
        if is_partition or kind == "p":
            return "partitioned"
        return _KINDS.get(kind) or _KINDS.get(persistence)

    def failure(self, error: BaseException, *, connecting: bool) -> Failure:
        if isinstance(error, NoAnswer):
            return failures.SILENT
        state = getattr(error, "sqlstate", None)
        if state is not None:
            if state in _NAMED or state.startswith("23"):
                return _named(error)
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
            connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")  # for the trial
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
        mark, retire = (
            prepare.format_table(sa.table(f"{self.tokens.name}_{name}", schema=self.tokens.schema))
            for name in ("mark", "retire")
        )
        for statement in (*triggers.marking(table, mark), *triggers.retiring(table, retire, retired)):
            connection.exec_driver_sql(statement)
