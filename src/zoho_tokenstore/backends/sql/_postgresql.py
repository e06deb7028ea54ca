"""PostgreSQL, with psycopg."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Final

import psycopg
import sqlalchemy as sa
from psycopg import errors
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import insert

from zoho_tokenstore.backends._rows import DIGESTED, OWN_COLUMNS
from zoho_tokenstore.backends.sql._dialect import Dialect, Values, by_words
from zoho_tokenstore.backends.sql._failures import Failure
from zoho_tokenstore.backends.sql._postgresql_failures import is_outdated, read_failure
from zoho_tokenstore.backends.sql._timed_connection import TimedConnection
from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.records import COLUMNS, LOOKUPS

if tuple(map(int, psycopg.__version__.split(".")[:2])) < (3, 3):
    raise ImportError("psycopg 3.3 or newer is needed: older ones wait endlessly for an answer")

_OLDEST: Final = (13,)
_LOCK: Final = 0x5A6F686F  # any number, the same everywhere: "Zoho"

_COLUMN_TYPE: Final = 'text COLLATE "C"'

_KINDS: Final = {
    "v": "a view",
    "m": "a materialized view",
    "f": "a foreign table",
    "u": "unlogged, and emptied by a crash",
    "t": "temporary",
}

_SCHEMA_OF: Final = sa.text(
    "SELECT coalesce((SELECT nspname FROM pg_class JOIN pg_namespace AS place ON place.oid = relnamespace "
    "WHERE pg_class.oid = to_regclass(quote_ident(:name))), current_schema())"
)
"""The schema in which a table is, or would be made."""

_KIND_OF: Final = sa.text(
    "SELECT relkind, relispartition, relpersistence, EXISTS (SELECT FROM pg_inherits WHERE inhparent = oid) "
    "FROM pg_class WHERE oid = to_regclass(:name)"
)

# Not the current one: what may change within a statement cannot use an index.
_CLOCK_MS: Final[sa.ColumnElement[int]] = sa.literal_column(
    "CAST(extract(epoch FROM statement_timestamp()) * 1000 AS bigint)", sa.BigInteger
)

_RANDOM_MARK: Final[sa.ColumnElement[int]] = sa.literal_column(
    "CAST(random() * 2 ^ 62 AS bigint)", sa.BigInteger
)


def _check_search_path(connection: sa.Connection, location: str) -> None:
    """Raise an error if a pooler dropped the schema that the URL names."""
    options = connection.engine.url.query.get("options") or ""
    asked = re.search(r"search_path\s*=\s*((?:\\\s|\S)+)", str(options))
    set_to = str(connection.exec_driver_sql("SHOW search_path").scalar_one())
    if asked and _bare(asked[1]) != _bare(set_to):
        raise ConfigurationError(
            f"A pooler does not pass on the URL's search_path to {location}. Set it for the role: "
            "ALTER ROLE … SET search_path."
        )


def _bare(path: str) -> str:
    return re.sub(r"[\s\"\\]", "", path)


def _is_pooled(connection: psycopg.Connection[Any]) -> bool:
    """Return whether a pooler answers: it hides which of the server's processes does the work.

    That may change after every transaction, to one that does not know a prepared statement, or
    knows another by the same name.
    """
    try:
        (pid,) = connection.execute("SELECT pg_backend_pid()", prepare=False).fetchone() or (0,)
    except BaseException:
        connection.close()
        raise
    return bool(pid != connection.info.backend_pid)


class PostgreSQL(Dialect):
    """PostgreSQL 13 and newer.

    Texts are compared by their bytes (`COLLATE "C"`). Hash indexes find rows by strings of any length.
    The index on what finds a row is on its own columns, so rows inserted by others are found.
    """

    extra: ClassVar[str] = "postgresql"
    is_plain: ClassVar[bool] = True
    replanned: ClassVar[Mapping[str, Any]] = {"prepare": False}
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
        # Key by key (OFFSET 0 keeps it so): a table that just grew has no statistics, and the
        # planner would rather read all of it than look up hundreds of keys.
        table = postgresql.dialect().identifier_preparer.format_table(self.tokens)  # type: ignore[no-untyped-call]
        by = f"coalesce(t.{index}_digest, t.{index})" if index in DIGESTED else f"t.{index}"
        return sa.text(
            "id = ANY(ARRAY(SELECT found.id FROM unnest(CAST(:keys AS text[])) AS given(key), "  # noqa: S608
            f'LATERAL (SELECT t.id FROM {table} AS t WHERE {by} = given.key COLLATE "C" OFFSET 0) AS found))'
        )

    def key_value(self, text: str) -> str:
        return text

    def is_duplicate_id(self, error: BaseException | None) -> bool:
        return isinstance(error, errors.UniqueViolation) and error.diag.constraint_name == self.key_name

    def derived(self, keys: Mapping[str, str | None]) -> Values:  # noqa: ARG002
        return {}

    def insert_many(self, connection: sa.Connection, single: sa.Insert, rows: Sequence[Values]) -> int:  # noqa: ARG002
        # As one JSON text: psycopg would spend more on the values than the server on everything else.
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

    def retirement(self, condition: sa.ColumnElement[bool], *others: sa.Update) -> sa.Select[Any]:
        gone = sa.delete(self.tokens).where(condition).returning(self.tokens.c.id).cte("gone")
        ids = sa.select(gone.c.id, sa.bindparam("at_ms", type_=sa.BigInteger))
        retired = insert(self.retired).from_select(["id", "at_ms"], ids).on_conflict_do_nothing()
        beside = [retired.cte("retired"), *(other.cte(f"other_{n}") for n, other in enumerate(others))]
        return sa.select(sa.func.count()).select_from(gone).add_cte(*beside)

    # ---- leases

    def clock_ms(self) -> sa.ColumnElement[int]:
        return _CLOCK_MS

    def insert_new(self, table: sa.Table) -> sa.Insert:
        return insert(table).on_conflict_do_nothing()  # a duplicate would be an error in the server's log

    # ---- connecting

    def connect_args(self, timeout: float) -> dict[str, Any]:
        return {
            "client_encoding": "utf8",
            "connect_timeout": max(2, round(min(timeout, 10))),  # libpq's minimum
            "keepalives_idle": 60,
            "keepalives_interval": 10,
            "keepalives_count": 3,
        }

    def connect(self, dialect: sa.Dialect, args: Any, options: dict[str, Any], timeout: float) -> Any:  # noqa: ARG002
        threshold = options.pop("prepare_threshold", None)  # psycopg accepts it only as an argument
        try:
            connection = TimedConnection.connect(*args, autocommit=True, **options)
        except psycopg.ProgrammingError as error:  # libpq does not know an option; it only names it
            raise ValueError(str(error).strip()) from error
        connection.timeout = timeout
        if threshold is not None:
            connection.prepare_threshold = int(threshold) if threshold.isdecimal() else None
        else:
            self.fit(connection)
        return connection

    def fit(self, connection: Any) -> Any:
        connection.autocommit = True
        if _is_pooled(connection):  # and other programs would inherit what is set
            connection.prepare_threshold = None
        else:  # a table that just grew has no statistics: compiling would take ten times as long as a look-up
            connection.execute("SET jit = off", prepare=False)
        return connection

    def prepare(self, engine: sa.Engine, timeout: float) -> None:  # noqa: ARG002
        @sa.event.listens_for(engine, "handle_error")
        def drop(context: sa.ExceptionContext) -> None:
            context.is_disconnect |= is_outdated(context.original_exception)

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
            raise ConfigurationError(f"The search_path of {location} names no existing schema.")
        # From here on by name: behind a pooler, other programs may change the search_path.
        self.declare(schema)

    def check_session(self, connection: sa.Connection, location: str) -> None:
        encoding = connection.exec_driver_sql("SHOW client_encoding").scalar_one()
        if encoding != "UTF8":
            raise ConfigurationError(
                f"The engine of {location} talks to the server in {encoding}, which cannot hold all "
                "texts. Pass create_engine connect_args={'client_encoding': 'utf8'}."
            )

    def unfit_kind(self, connection: sa.Connection) -> str | None:
        name = connection.dialect.identifier_preparer.format_table(self.tokens)
        kind, is_partition, persistence, is_parent = connection.execute(_KIND_OF, {"name": name}).one()
        if is_partition or kind == "p":
            return "partitioned"
        if is_parent:
            return "inherited by other tables, whose rows may have the same ids"
        return _KINDS.get(kind) or _KINDS.get(persistence)

    def failure(self, error: BaseException, *, connecting: bool) -> Failure:
        return read_failure(error, connecting=connecting)

    # ---- transactions and the schema

    @contextmanager
    def transaction(self, connection: sa.Connection, *, keep: bool = True) -> Iterator[None]:
        with by_words(connection, keep=keep):
            if not keep:  # what is checked at commit would not be
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
        table = prepare.format_table(self.tokens)
        changes = [f"ALTER COLUMN {name} TYPE {_COLUMN_TYPE}" for name in COLUMNS]
        changes += [f"ALTER COLUMN {name} DROP NOT NULL" for name in COLUMNS[1:]]
        changes += [f"ADD COLUMN {name} {self.type_of(connection, self.tokens.c[name])}" for name in missing]
        connection.exec_driver_sql(f"ALTER TABLE {table} {', '.join(changes)}")
        for index in LOOKUPS:
            self.add_index(connection, index, self.lookup(index), postgresql_using="hash")
        unmarked = self.tokens.c.etag.is_(None)
        connection.execute(sa.update(self.tokens).where(unmarked).values(etag=_RANDOM_MARK))
