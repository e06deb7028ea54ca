"""What holds for every database that SQLAlchemy knows. PostgreSQL and MySQL override what differs."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Final

import sqlalchemy as sa

from zoho_tokenstore._util.clock import now_ms
from zoho_tokenstore.backends._rows import OWN_COLUMNS, STORED
from zoho_tokenstore.backends.sql import _failures as failures
from zoho_tokenstore.backends.sql._failures import Failure
from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.records import BOOKKEEPING, COLUMNS, LOOKUPS

KEY_COLUMNS: Final = {name: f"{name}_key" for name in LOOKUPS}

DIGEST_LENGTH: Final = 64
ID_LENGTH: Final = 255
"""What the published table has; our own ids are shorter."""

_RULE_OF_SQLITE: Final = re.compile(r"^(\w+(?: \w+)?) constraint failed: ([\w., ]+)$")

Values = dict[str, Any]


def digest(text: str) -> str:
    """Return a string of fixed length that stands for another in an index.

    With BLAKE2, which is part of Python: a child must not need OpenSSL, whose locks another thread
    may have held when its parent forked.
    """
    return hashlib.blake2b(text.encode(), digest_size=DIGEST_LENGTH // 2).hexdigest()


class Dialect:
    """A database that only SQLAlchemy knows more about.

    Only this package may write to its tables: besides the columns, each look-up has a
    key that we maintain, the digest of what finds the row.
    """

    extra: ClassVar[str] = "sql"
    is_plain: ClassVar[bool] = False
    """Whether the driver itself returns the same values as SQLAlchemy."""

    replanned: ClassVar[Mapping[str, Any]] = {}
    """The driver's options for a statement whose plan must not outlive the table's size."""

    own_columns: ClassVar[tuple[str, ...]] = (*OWN_COLUMNS, *KEY_COLUMNS.values())

    table_options: ClassVar[str] = ""
    """What follows the columns where a table is created."""

    key_name: str | None = None
    """The name of the primary key's constraint, as the table has it."""

    def __init__(self, table: str) -> None:
        self._table = table
        self.declare()

    def declare(self, schema: str | None = None) -> None:
        """Declare the tables, in a schema or where the database looks for them."""
        held = sa.MetaData(schema=schema)
        names = (*COLUMNS, *self.own_columns)
        self.tokens = sa.Table(self._table, held, *(self._column(name) for name in names))
        self.retired = sa.Table(
            f"{self._table}_retired",
            held,
            sa.Column("id", self.id_type(), primary_key=True),
            sa.Column("at_ms", sa.BigInteger, nullable=False),
        )
        self.audit = sa.Table(
            f"{self._table}_audit",
            held,
            sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("at_ms", sa.BigInteger, nullable=False),
            sa.Column("token_id", self.id_type()),
            sa.Column("text", self.text_type(), nullable=False),
            sa.Column("hash", self.id_type(), nullable=False),
            sa.Column("mac", self.id_type()),
        )
        self.leases = sa.Table(
            "zoho_tokenstore_lease",
            held,
            sa.Column("name", self.id_type(), primary_key=True),
            sa.Column("text", self.text_type(), nullable=False),
            sa.Column("until_ms", sa.BigInteger, nullable=False),
        )
        self.meta = sa.Table(
            "zoho_tokenstore",
            held,
            sa.Column("name", self.id_type(), primary_key=True),
            sa.Column("value", self.id_type(), nullable=False),
        )

    # ---- columns

    def text_type(self) -> sa.types.TypeEngine[str]:
        """Return the type of a string of any length."""
        return sa.UnicodeText()

    def id_type(self) -> sa.types.TypeEngine[str]:
        """Return the type of a string that is compared by code points, and indexed."""
        return sa.Unicode(ID_LENGTH)

    def _column(self, name: str) -> sa.Column[Any]:
        if name == "id":
            return sa.Column(name, self.id_type(), primary_key=True)
        if name in KEY_COLUMNS.values():
            return sa.Column(name, sa.String(DIGEST_LENGTH))
        if name in BOOKKEEPING or name == "etag":
            return sa.Column(name, sa.BigInteger)
        return sa.Column(name, self.text_type())

    # ---- reading

    def etag(self) -> sa.ColumnElement[Any]:
        """Return what distinguishes versions of a row."""
        return sa.func.coalesce(self.tokens.c.etag, sa.literal_column("0"))

    def selected(self) -> list[sa.ColumnElement[Any]]:
        """Return what is read of a row: the published columns, the times, the digests and the etag."""
        return [*(self.tokens.c[name] for name in STORED[:-1]), self.etag()]

    def values_of(self, selected: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the values of what was read of a row."""
        return selected

    def lookup(self, index: str) -> sa.ColumnElement[Any]:
        """Return what an index finds its rows by; indexed exactly so."""
        return self.tokens.c[KEY_COLUMNS[index]]

    def key(self, text: sa.BindParameter[str]) -> sa.ColumnElement[Any]:
        """Return what `lookup` must equal to find the string with this `key_value`."""
        return text

    def lists(self, index: str) -> sa.TextClause | None:  # noqa: ARG002
        """Return a condition that `lookup` is in the list parameter `keys`; `None` if no list can be sent."""
        return None

    def key_value(self, text: str) -> str:
        """Return what is sent to the database to look up a string."""
        return digest(text)

    # ---- writing

    def one_row(self) -> sa.Select[Any]:
        """Return a query for one row, without columns yet, and from no table."""
        return sa.select()

    def seats(self) -> tuple[sa.Table, ...]:
        """Return the tables in which an insert must not find its id.

        They are checked at one moment, and an id moves from one to the other in one step.
        """
        return (self.tokens, self.retired)

    def insert_many(self, connection: sa.Connection, single: sa.Insert, rows: Sequence[Values]) -> int:
        """Insert rows whose ids are free, in one step if the database can; return how many.

        `single` inserts one row, unless its id is taken or retired.
        """
        return sum(connection.execute(single, values).rowcount for values in rows)

    def retirement(
        self,
        condition: sa.ColumnElement[bool],  # noqa: ARG002
        *others: sa.Update,  # noqa: ARG002
    ) -> sa.Select[Any] | None:
        """Return a statement that deletes rows, retires their ids at the time `at_ms` and counts them.

        `others` are changed in the same step. It is `None` if the database needs a transaction of several
        statements.
        """
        return None

    def is_duplicate_id(self, error: BaseException | None) -> bool:  # noqa: ARG002
        """Return whether an integrity error can only come from an id that is taken."""
        return True

    def etag_of(self, mark: int) -> object:
        """Return the etag of a row written with this mark."""
        return mark

    def is_etag(self, expect: object) -> bool:
        """Return whether a row could have this etag."""
        return isinstance(expect, int) and -(2**63) <= expect < 2**63

    def derived(self, keys: Mapping[str, str | None]) -> Values:
        """Return what else is written with a row that its look-ups find by these keys."""
        return {KEY_COLUMNS[index]: None if key is None else digest(key) for index, key in keys.items()}

    # ---- leases

    def clock_ms(self) -> sa.ColumnElement[int]:
        """Return the time in epoch milliseconds: the server's, if we know how to ask for it."""
        return sa.bindparam("host_ms", type_=sa.BigInteger, callable_=now_ms)

    def insert_new(self, table: sa.Table) -> sa.Insert:
        """Return an insert that does nothing if there is such a row, or fails as a duplicate."""
        return sa.insert(table)

    # ---- connecting

    def connect_args(self, timeout: float) -> dict[str, Any]:  # noqa: ARG002
        """Return the driver's options that limit the time of each call; none for an unknown driver."""
        return {}

    def connect(self, dialect: sa.Dialect, args: Any, options: dict[str, Any], timeout: float) -> Any:  # noqa: ARG002
        """Return a new connection of the driver."""
        return dialect.connect(*args, **options)

    def fit(self, connection: Any) -> Any:
        """Return a connection made by the caller's engine, set up like ours."""
        return connection

    def prepare(self, engine: sa.Engine, timeout: float) -> None:
        """Prepare an engine that has not connected yet."""

    def take_over(self, connection: sa.Connection) -> None:
        """Close the database's file, if it is one, to others: who opens a store does, who looks does not."""

    def check_kept(self, connection: sa.Connection) -> None:
        """Refuse what was done in what is no longer the database: a deleted file."""

    def check(self, connection: sa.Connection, location: str) -> None:
        """Raise an error if this server cannot keep what must be kept."""
        if not connection.dialect.supports_sane_rowcount:
            raise ConfigurationError(
                f"The database {location} does not report how many rows a statement changed. "
                "Tokens cannot be kept safely in it."
            )

    def check_session(self, connection: sa.Connection, location: str) -> None:
        """Raise an error if connections made by the caller's engine could lose values."""

    def unfit_kind(self, connection: sa.Connection) -> str | None:
        """Return what the tokens' table is, if it cannot keep rows."""
        views = sa.inspect(connection).get_view_names(self.tokens.schema)
        return "a view" if self.tokens.name in views else None

    def failure(self, error: BaseException, *, connecting: bool) -> Failure:
        """Return what a driver's exception means."""
        name = type(error).__name__
        if connecting:
            return failures.UNREACHABLE
        rule = _RULE_OF_SQLITE.search(str(error)) if name == "IntegrityError" else None
        if rule:
            return failures.against(f"the rule {rule[2]} ({rule[1]})")
        if name in ("OperationalError", "InterfaceError"):
            return Failure(
                failures.UNREACHABLE.error,
                f"failed ({name}). Try again; the server's log may say more",
                is_quotable=False,
            )
        return failures.TOO_LONG if name == "DataError" else failures.other(error)

    # ---- transactions and the schema

    @contextmanager
    def transaction(self, connection: sa.Connection, *, keep: bool = True) -> Iterator[None]:
        """Do the block as a whole or not at all; at the end undo it, unless `keep`."""
        connection.rollback()  # SQLAlchemy's own transaction, an empty one if every statement commits
        connection.execution_options(isolation_level=connection.default_isolation_level)
        with connection.begin() as transaction:
            yield
            if not keep:
                transaction.rollback()
        connection.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def exclusive(self, connection: sa.Connection, location: str, timeout: float) -> Iterator[None]:  # noqa: ARG002
        """Let nobody else change the schema in the block, if the database can do that."""
        yield

    def type_of(self, connection: sa.Connection, column: sa.Column[Any]) -> str:
        """Return the type of a column, as it is declared."""
        kind = column.type.compile(connection.dialect)
        return kind if column.nullable else f"{kind} NOT NULL"

    def create(self, connection: sa.Connection, table: sa.Table, columns: Sequence[str]) -> None:
        """Create a table of these columns, the first of them its primary key."""
        prepare = connection.dialect.identifier_preparer
        lines = [f"{prepare.quote(name)} {self.type_of(connection, table.c[name])}" for name in columns]
        lines.append(f"PRIMARY KEY ({prepare.quote(columns[0])})")
        name, text = prepare.format_table(table), ", ".join(lines)
        connection.exec_driver_sql(f"CREATE TABLE {name} ({text}) {self.table_options}")

    def adopt(self, connection: sa.Connection, missing: Sequence[str]) -> None:
        """Upgrade a table with the published columns to ours, which follow them."""
        prepare = connection.dialect.identifier_preparer
        for name in missing:
            column = f"{prepare.quote(name)} {self.type_of(connection, self.tokens.c[name])}"
            connection.exec_driver_sql(f"ALTER TABLE {prepare.format_table(self.tokens)} ADD {column}")
        for index, column in KEY_COLUMNS.items():
            self.add_index(connection, index, self.tokens.c[column])
        self._mark_rows(connection)

    def add_index(
        self, connection: sa.Connection, lookup: str, by: sa.ColumnElement[Any], **options: Any
    ) -> None:
        """Index a look-up, unless it is."""
        index = sa.Index(f"{self.tokens.name}_by_{lookup}", by, **options)
        index.create(connection, checkfirst=True)

    def _mark_rows(self, connection: sa.Connection) -> None:
        """Give rows that others wrote an etag and keys."""
        columns = self.tokens.c
        unmarked = sa.select(columns.id, *(columns[name] for name in LOOKUPS)).where(columns.etag.is_(None))
        for row_id, *found_by in connection.execute(unmarked).all():
            keys = dict(zip(LOOKUPS, found_by, strict=True))
            values = {"etag": secrets.randbits(63), **self.derived(keys)}
            connection.execute(sa.update(self.tokens).where(columns.id == row_id).values(values))


@contextmanager
def by_words(connection: sa.Connection, *, keep: bool) -> Iterator[None]:
    """Make the block a transaction by BEGIN and COMMIT, which both our drivers pass on unchanged."""
    connection.exec_driver_sql("BEGIN")
    try:
        yield
        connection.exec_driver_sql("COMMIT" if keep else "ROLLBACK")
    except BaseException:
        connection.invalidate()  # which undoes it, whatever its state
        raise


def begin_with(engine: sa.Engine, statement: str, *, first: bool) -> None:
    """Make every new connection of an engine begin with a statement, before or after SQLAlchemy's own."""

    @sa.event.listens_for(engine, "connect", insert=first)
    def begin(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute(statement)
        cursor.close()
