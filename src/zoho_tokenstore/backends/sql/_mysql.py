"""MySQL and MariaDB, with PyMySQL."""

from __future__ import annotations

import json
import math
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Final

import sqlalchemy as sa
from pymysql.constants import CLIENT
from sqlalchemy.dialects import mysql

from zoho_tokenstore.backends._rows import DIGESTED, OWN_COLUMNS
from zoho_tokenstore.backends.sql import _failures as failures
from zoho_tokenstore.backends.sql._dialect import (
    DIGEST_LENGTH,
    ID_LENGTH,
    KEY_COLUMNS,
    Dialect,
    Values,
    begin_with,
    by_words,
    digest,
)
from zoho_tokenstore.backends.sql._failures import Failure
from zoho_tokenstore.backends.sql._mysql_connection import QuickConnection
from zoho_tokenstore.errors import BackendTimeoutError, ConfigurationError
from zoho_tokenstore.records import COLUMNS, ROW_FIELDS

_OLDEST: Final = {False: (8, 0, 17), True: (10, 2, 3)}  # MySQL, MariaDB
_COLLATIONS: Final = {False: "utf8mb4_0900_bin", True: "utf8mb4_nopad_bin"}
_GRACE: Final = 2.0
"""How much longer than the server we wait, in seconds: it knows the statement's outcome."""

_CHANGED_AT: Final = "TIMESTAMP(6) NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)"
"""Set by the server when a writer does not know this column. We set it to null."""

_CREATED: Final = ROW_FIELDS.index("created_at_ms")
_UPDATED: Final = ROW_FIELDS.index("updated_at_ms")

_SLASH: Final[sa.ColumnElement[str]] = sa.literal_column("'/'")
_SHA_256: Final[sa.ColumnElement[int]] = sa.literal_column("256")

# UNIX_TIMESTAMP(NOW(3)) is an hour off in the hour after summer time ends in the session's time zone.
_CLOCK_MS: Final[sa.ColumnElement[int]] = sa.literal_column(
    "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000)", sa.BigInteger
)

_OF_PRIMARY_KEY: Final = re.compile(r"[.']PRIMARY'[^']*$")

_CODES: Final = {
    **dict.fromkeys((2006, 2013, 2014, 2055, 1053, 1152, 1158, 1159, 1160, 1161, 1927, 4031), failures.LOST),
    **dict.fromkeys((1020, 1213), failures.PASSING),
    1205: failures.LOCKED,
    **dict.fromkeys((1317, 1969, 3024), failures.SLOW),
    **dict.fromkeys((1290, 1792, 1836, 1874), failures.READ_ONLY),
    **dict.fromkeys((3, 1021, 1026, 1114), failures.FULL),
    **dict.fromkeys((1037, 1038, 1041), failures.NO_MEMORY),
    **dict.fromkeys((1040, 1203, 1226), failures.CROWDED),
    **dict.fromkeys((1045, 1129, 1130, 1251, 1524, 1698, 2054, 2059), failures.REFUSED),
    **dict.fromkeys((1044, 1227, 1370, 1410), failures.NOT_ALLOWED),
    1049: failures.UNKNOWN,
    **dict.fromkeys((2002, 2003, 2005), failures.UNREACHABLE),
    2026: failures.INSECURE,
    **dict.fromkeys((1118, 1153, 1264, 1366, 1406, 3988), failures.TOO_LONG),
}
"""Error numbers of the servers and of the driver: https://dev.mysql.com/doc/mysql-errors/8.4/en/"""


_KIND_OF: Final = sa.text(
    "SELECT table_type, create_options FROM information_schema.tables "
    "WHERE table_schema = database() AND table_name = :name"
)

_RULES: Final = {
    1048: r"'([^']+)'",
    1062: r"'([^']*)'[^']*$",
    1364: r"'([^']+)'",
    1451: r"CONSTRAINT `([^`]+)`",
    1452: r"CONSTRAINT `([^`]+)`",
    1644: r"(?!)",  # raised by a trigger, in its own words
    3105: r"'([^']+)'",
    1906: r"'([^']+)'",
    3819: r"'([^']+)'",
    4025: r"`([^`]+)`",
}
"""Errors of a rule on the table, and where their text names it, in all languages. The rest may be a value."""

_OF_SCHEMA: Final = (1061, 1071, 1170, 1832, 1833)
"""What a change of the schema fails with; the text names indexes, columns and foreign keys."""


class MySQL(Dialect):
    """MySQL 8.0.17 and newer, MariaDB 10.2.3 and newer.

    Texts are `utf8mb4` in a collation that compares code points and all blanks. Look-ups use
    generated columns, the SHA-256 of what finds the row. Triggers would need a privilege that few users
    have if there is a binary log; so a time stamp set by the server reveals others' writes.
    """

    extra: ClassVar[str] = "mysql"
    is_plain: ClassVar[bool] = True
    own_columns: ClassVar[tuple[str, ...]] = (*OWN_COLUMNS, "changed_at", *KEY_COLUMNS.values())
    table_options: ClassVar[str] = "ENGINE = InnoDB ROW_FORMAT = DYNAMIC"  # old servers have other defaults

    def __init__(self, table: str) -> None:
        self._is_mariadb = False
        super().__init__(table)

    # ---- columns and values

    def text_type(self) -> sa.types.TypeEngine[str]:
        return mysql.TEXT()

    def id_type(self) -> sa.types.TypeEngine[str]:
        return mysql.VARCHAR(ID_LENGTH)

    def etag(self) -> sa.ColumnElement[Any]:
        # "mark", or "mark/seconds.microseconds" after others wrote.
        columns = self.tokens.c
        return sa.func.concat_ws(_SLASH, columns.etag, sa.func.unix_timestamp(columns.changed_at))

    def selected(self) -> list[sa.ColumnElement[Any]]:
        # All as one column: PyMySQL spends a twentieth of a look-up on each.
        return [sa.func.json_array(*super().selected())]

    def values_of(self, selected: tuple[Any, ...]) -> tuple[Any, ...]:
        values: list[Any] = json.loads(selected[0])
        seconds = values[-1].rpartition("/")[2]
        if "." in seconds:  # others wrote the row; our own mark is a whole number
            changed_ms = int(seconds.replace(".", "")) // 1000
            values[_UPDATED] = changed_ms
            if values[_CREATED] is None:
                values[_CREATED] = changed_ms
        return tuple(values)

    def one_row(self) -> sa.Select[Any]:
        return sa.select().select_from(sa.text("DUAL"))

    def seats(self) -> tuple[sa.Table, ...]:
        # InnoDB keeps others from inserting what an INSERT … SELECT read until it is done. So the
        # retired ids are enough; if it also read the tokens, two new rows would wait for each other.
        return (self.retired,)

    def is_duplicate_id(self, error: BaseException | None) -> bool:
        args = getattr(error, "args", ())
        return args[:1] == (1062,) and bool(_OF_PRIMARY_KEY.search(str(args[1:])))

    def key(self, text: sa.BindParameter[str]) -> sa.ColumnElement[Any]:
        return sa.func.sha2(text, _SHA_256)

    def key_value(self, text: str) -> str:
        return text

    def etag_of(self, mark: int) -> object:
        return str(mark)

    def is_etag(self, expect: object) -> bool:
        return isinstance(expect, str)

    def derived(self, keys: Mapping[str, str | None]) -> Values:  # noqa: ARG002
        return {"changed_at": None}  # as long as nobody else writes it

    def clock_ms(self) -> sa.ColumnElement[int]:
        return _CLOCK_MS

    def _column(self, name: str) -> sa.Column[Any]:
        if name == "changed_at":
            return sa.Column(name, mysql.TIMESTAMP(fsp=6))
        return super()._column(name)

    def insert_many(self, connection: sa.Connection, single: sa.Insert, rows: Sequence[Values]) -> int:  # noqa: ARG002
        table, retired = map(connection.dialect.identifier_preparer.format_table, (self.tokens, self.retired))
        used = [name for name in rows[0] if any(row[name] is not None for row in rows)]
        one = (
            f"SELECT {', '.join('%s' if name in used else 'NULL' for name in rows[0])} FROM DUAL "  # noqa: S608
            f"WHERE NOT EXISTS (SELECT 1 FROM {retired} WHERE id = %s)"
        )
        text = f"INSERT INTO {table} ({', '.join(rows[0])}) {' UNION ALL '.join([one] * len(rows))}"
        values = tuple(row[name] for row in rows for name in (*used, "id"))
        return connection.exec_driver_sql(text, values).rowcount

    # ---- connecting

    def connect_args(self, timeout: float) -> dict[str, Any]:
        return {
            "charset": "utf8mb4",
            "connect_timeout": min(timeout, 10.0),
            "read_timeout": timeout + _GRACE,
            "write_timeout": timeout + _GRACE,
        }

    def connect(self, dialect: sa.Dialect, args: Any, options: dict[str, Any], timeout: float) -> Any:  # noqa: ARG002
        return QuickConnection(*args, **options)

    def prepare(self, engine: sa.Engine, timeout: float) -> None:
        wait = max(1, math.ceil(timeout))
        # A strict mode, so that nothing is truncated, in which quotes mean what we mean; and an isolation in
        # which a row and the ids of deleted ones are judged at one moment, whatever the server's default.
        # SQLAlchemy reads the mode once, so it comes first.
        settings = (
            "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', "
            f"lock_wait_timeout = {wait}, innodb_lock_wait_timeout = {wait}"
            f" /*M!100101 , max_statement_time = {wait + 0.5}, tx_isolation = 'REPEATABLE-READ' */"
            f" /*!80000 , max_execution_time = {wait * 1000 + 500}"
            ", transaction_isolation = 'REPEATABLE-READ' */"
        )
        begin_with(engine, settings, first=True)

    def check(self, connection: sa.Connection, location: str) -> None:
        dialect = connection.dialect
        self._is_mariadb = bool(getattr(dialect, "is_mariadb", False))
        oldest = _OLDEST[self._is_mariadb]
        if (dialect.server_version_info or ()) < oldest:
            raise ConfigurationError(
                f"The token database {location} is older than {'MariaDB' if self._is_mariadb else 'MySQL'} "
                f"{'.'.join(map(str, oldest))}."
            )

    def check_session(self, connection: sa.Connection, location: str) -> None:
        charset = connection.exec_driver_sql("SELECT @@SESSION.character_set_client").scalar_one()
        flags = getattr(connection.connection.dbapi_connection, "client_flag", 0)
        for is_good, trouble, remedy in (
            (charset == "utf8mb4", f"talks to the server in {charset}", "charset='utf8mb4'"),
            (flags & CLIENT.FOUND_ROWS, "counts only rows that change", "client_flag=CLIENT.FOUND_ROWS"),
        ):
            if not is_good:
                raise ConfigurationError(
                    f"The engine of {location} {trouble}, so tokens could get lost. "
                    f"Connect with PyMySQL's option {remedy}."
                )

    def unfit_kind(self, connection: sa.Connection) -> str | None:
        found = connection.execute(_KIND_OF, {"name": self.tokens.name}).one()
        kind, options = (str(value).lower() for value in found)
        if kind != "base table":
            return f"a {kind}"
        return "partitioned" if "partitioned" in options else None

    def failure(self, error: BaseException, *, connecting: bool) -> Failure:
        name = type(error).__name__
        code = next((found for found in error.args[:1] if isinstance(found, int)), None)
        if "timed out" in str(error) and code in (2003, 2006, 2013):
            return failures.DEAF if connecting else failures.SILENT
        if code == 2003 and ("[SSL" in str(error) or "certificate" in str(error)):
            return failures.INSECURE
        if code in _RULES:
            found = re.search(_RULES[code], str(error.args[1]))
            return failures.against(f"the rule {found[1]}" if found else "a trigger, which raised an error")
        if code in _OF_SCHEMA:
            return failures.in_the_way(str(error.args[1]))
        if code in (1054, 1146, 1932):
            return failures.no_table(str(error.args[1]))
        if code in (1142, 1143):
            return failures.not_allowed(str(error.args[1]))
        if code in _CODES:
            known = _CODES[code]
            return failures.UNREACHABLE if connecting and known is failures.LOST else known
        if code == 1030 and "error 28" in str(error):
            return failures.FULL
        if name == "InterfaceError":
            return failures.UNREACHABLE if connecting else failures.LOST
        return failures.TOO_LONG if name == "DataError" else failures.other(error, code)

    # ---- transactions and the schema

    @contextmanager
    def transaction(self, connection: sa.Connection, *, keep: bool = True) -> Iterator[None]:
        with by_words(connection, keep=keep):
            yield

    @contextmanager
    def exclusive(self, connection: sa.Connection, location: str, timeout: float) -> Iterator[None]:
        name = f"zoho_tokenstore:{digest(connection.engine.url.database or '')[:32]}"
        taken = connection.execute(sa.select(sa.func.get_lock(name, max(1, math.ceil(timeout))))).scalar()
        if taken != 1:
            raise BackendTimeoutError(
                f"The token database {location} is still being set up by another process after "
                f"{timeout:g} s. Try again."
            )
        try:
            yield
        finally:
            connection.invalidate()  # which ends the lock, whatever the connection's state

    def type_of(self, connection: sa.Connection, column: sa.Column[Any]) -> str:
        exact = f"CHARACTER SET utf8mb4 COLLATE {_COLLATIONS[self._is_mariadb]}"
        if column.name in KEY_COLUMNS.values():
            return _generated(column.name)
        if column.name == "changed_at":
            return _CHANGED_AT
        kind = column.type.compile(connection.dialect)
        if isinstance(column.type, mysql.TEXT | mysql.VARCHAR):
            kind = f"{kind} {exact}"
        return kind if column.nullable else f"{kind} NOT NULL"

    def adopt(self, connection: sa.Connection, missing: Sequence[str]) -> None:
        """Change the table in one statement, which MySQL does as a whole or not at all."""
        self._try_published(connection)
        table = self.tokens
        changes = [f"MODIFY {name} {self.type_of(connection, table.c[name])}" for name in COLUMNS]
        changes += [f"ADD {name} {self.type_of(connection, table.c[name])}" for name in missing]
        changes += [
            f"ADD INDEX {table.name}_by_{index} ({column})"
            for index, column in KEY_COLUMNS.items()
            if column in missing
        ]
        changes.append(self.table_options)
        name = connection.dialect.identifier_preparer.format_table(table)
        connection.exec_driver_sql(f"ALTER TABLE {name} {', '.join(changes)}")

    def _try_published(self, connection: sa.Connection) -> None:
        """Raise if others' rules refuse a row, before anything is changed: DDL cannot be undone."""
        columns = {
            column["name"]: column["type"] for column in sa.inspect(connection).get_columns(self.tokens.name)
        }
        made_up = secrets.token_hex(64)
        values = {name: made_up[: getattr(columns[name], "length", None) or 128] for name in COLUMNS}
        this_row = self.tokens.c.id == values["id"]
        with self.transaction(connection, keep=False):
            connection.execute(sa.insert(self.tokens).values(values))
            connection.execute(
                sa.update(self.tokens).where(this_row).values(user_name=values["user_name"][1:])
            )
            connection.execute(sa.delete(self.tokens).where(this_row))


def _generated(column: str) -> str:
    index = next(index for index, key in KEY_COLUMNS.items() if key == column)
    found_by = f"COALESCE({index}_digest, {index})" if index in DIGESTED else index
    return (
        f"CHAR({DIGEST_LENGTH}) CHARACTER SET ascii COLLATE ascii_bin "
        f"GENERATED ALWAYS AS (SHA2({found_by}, 256)) VIRTUAL"
    )
