"""Whether an existing table can hold tokens: its kind, columns, types and keys."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import exc

from zoho_tokenstore.backends.sql._dialect import KEY_COLUMNS, Dialect
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.records import BOOKKEEPING, COLUMNS

_TEXTS: Final = frozenset(
    {"CHAR", "VARCHAR", "TEXT", "TINYTEXT", "MEDIUMTEXT", "LONGTEXT", "NCHAR", "NVARCHAR", "CLOB"}
)
_NUMBERS: Final = frozenset({"BIGINT", "big_integer"})


def check(connection: sa.Connection, dialect: Dialect, location: str) -> None:
    """Raise a `BackendError` if the tokens' table exists and cannot be used.

    Otherwise note the name of its primary key.
    """
    tokens, inspector = dialect.tokens, sa.inspect(connection)
    if not inspector.has_table(tokens.name, tokens.schema):
        return
    trouble = next(_troubles(connection, inspector, dialect), None)
    if trouble is None:
        dialect.key_name = inspector.get_pk_constraint(tokens.name, tokens.schema)["name"]
        return
    raise unfit(tokens.name, location, trouble)


def columns_of(inspector: sa.Inspector, table: sa.Table) -> dict[str, Any]:
    """Return a table's columns by name, as in the database."""
    with warnings.catch_warnings():  # about a type that SQLAlchemy does not know
        warnings.simplefilter("ignore", exc.SAWarning)
        return {column["name"]: column for column in inspector.get_columns(table.name, table.schema)}


def unfit(table: str, location: str, trouble: str) -> BackendError:
    """Return the error for a table that cannot be used."""
    return BackendError(
        f"The table {table} in {location} is not the published one: {trouble}. "
        "It was left as it is; change it, or choose another name with table=."
    )


def _troubles(connection: sa.Connection, inspector: sa.Inspector, dialect: Dialect) -> Iterator[str]:
    place = dialect.tokens.name, dialect.tokens.schema
    kind = dialect.unfit_kind(connection)
    if kind is not None:
        yield f"it is {kind}"
    there = columns_of(inspector, dialect.tokens)
    with warnings.catch_warnings():  # about SQLite's indexes on expressions, which it does not report
        warnings.simplefilter("ignore", exc.SAWarning)
        uniques: list[Any] = [*inspector.get_indexes(*place), *inspector.get_unique_constraints(*place)]
    missing = ", ".join(name for name in COLUMNS if name not in there)
    if missing:
        yield f"it lacks {missing}"
    for name in (*COLUMNS, *dialect.own_columns):
        if name in there and not _fits(name, there[name], connection):
            wanted = "text (varchar or text)" if name in COLUMNS else "this package's own"
            yield f"its column {name} is {_declared(there[name]['type'], connection)}, and must be {wanted}"
    if inspector.get_pk_constraint(*place)["constrained_columns"] != ["id"]:
        yield "id is not its primary key"
    for unique in uniques:
        columns = unique["column_names"]
        if unique.get("unique", True) and "id" not in columns and {None, *COLUMNS} & {*columns}:
            shown = ", ".join(column or "an expression" for column in columns)
            yield f"its unique key {unique['name']} keeps two tokens from having the same {shown}"


def _fits(name: str, column: Any, connection: sa.Connection) -> bool:
    kind = column["type"]
    if name in KEY_COLUMNS.values():  # which a copy of the table may have as plain values
        return "computed" in column or connection.dialect.name not in ("mysql", "mariadb")
    if name == "changed_at":
        return True
    if name in BOOKKEEPING or name == "etag":
        return kind.__visit_name__ in _NUMBERS or connection.dialect.name == "sqlite"
    # If SQLAlchemy does not know a type; SQLite has columns without one.
    is_unknown = kind.__visit_name__ == "null"
    return connection.dialect.name == "sqlite" if is_unknown else kind.__visit_name__ in _TEXTS


def _declared(kind: Any, connection: sa.Connection) -> str:
    if kind.__visit_name__ in ("ENUM", "null"):
        return {"ENUM": "ENUM", "null": "of a type that is not text"}[kind.__visit_name__]
    return str(kind.compile(connection.dialect))
