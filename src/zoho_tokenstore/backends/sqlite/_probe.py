"""Checks that a table keeps a token: stores, finds, changes and deletes one, then rolls back."""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from collections.abc import Iterator
from typing import Any, Final

from zoho_tokenstore.backends._rows import DIGESTED, STORED, read_row, values_of
from zoho_tokenstore.backends.sqlite import _failures as failures
from zoho_tokenstore.backends.sqlite._constraints import refusal
from zoho_tokenstore.backends.sqlite._schema import is_own
from zoho_tokenstore.backends.sqlite._table import DELETE, FIND, INSERT, LOAD
from zoho_tokenstore.records import BOOKKEEPING, COLUMNS, Row

_UPDATE: Final = f"UPDATE oauthtoken SET {', '.join(f'{name} = ?' for name in STORED[1:])} WHERE id = ?"  # noqa: S608
_REFUSALS: Final = {sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_ERROR}
_TRIGGERS: Final = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND lower(tbl_name) = 'oauthtoken'"


def prove(connection: sqlite3.Connection, location: str) -> None:
    """Raise a `BackendError` that names the cause, if the token table does not keep a token.

    The caller holds the write lock; nothing is left in the table.
    """
    connection.execute("SAVEPOINT probe")
    try:
        with map_refusals(connection, location):
            reason = next(_faults(connection), None)
            if reason:
                raise _refusal(connection, location, reason)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK TO probe")
            connection.execute("RELEASE probe")


@contextlib.contextmanager
def map_refusals(connection: sqlite3.Connection, location: str) -> Iterator[None]:
    """Report a constraint hit in the block as a fault of the table."""
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.OperationalError) as error:
        if failures.primary_code(error) not in _REFUSALS:
            raise
        raise _refusal(connection, location, failures.constraint(error)) from failures.cause(error)


def _refusal(connection: sqlite3.Connection, location: str, reason: str) -> Exception:
    triggers = [name for (name,) in connection.execute(_TRIGGERS) if not is_own(name)]
    if not triggers:
        return refusal(location, reason)
    names = ", ".join(triggers)
    return refusal(location, reason, f"Correct or drop what is not this store's: the trigger {names}")


def _faults(connection: sqlite3.Connection) -> Iterator[str]:
    row_id = f"Probe-{secrets.token_hex(8)}"
    texts: dict[str, Any] = {name: f"Aa {name} {'x' * 600}" for name in COLUMNS[1:]}
    times: dict[str, Any] = dict.fromkeys(BOOKKEEPING, 1)
    full = Row(**{**texts, **times, "id": row_id, "expiry_time": "4102444800000", "etag": 1})
    empty = Row(id=row_id, digests=dict.fromkeys(DIGESTED, "digest"), etag=2)
    beside = full._replace(id=f"{row_id}-beside")
    for row in (beside, full):
        connection.execute(INSERT, (row.id, *values_of(row), row.etag))
    yield from _differences(connection, full)
    yield from _lax_comparisons(connection, full)
    connection.execute(_UPDATE, (*values_of(empty), empty.etag, row_id))
    yield from _differences(connection, empty)
    connection.execute(DELETE, (row_id,))
    if connection.execute(LOAD, (row_id,)).fetchone():
        yield "a deleted row stays"
    if any(_differences(connection, beside)):
        yield "changing one row changes another"


def _differences(connection: sqlite3.Connection, row: Row) -> Iterator[str]:
    stored = connection.execute(LOAD, (row.id,)).fetchone()
    if stored is None:
        yield "a stored row is missing"
        return
    held = read_row(stored)
    if held != row:
        wanted = (row.id, *values_of(row), row.etag)
        names = [name for name, value, known in zip(STORED, stored, wanted, strict=True) if value != known]
        yield f"what is stored in {', '.join(names)} comes back as something else"


def _lax_comparisons(connection: sqlite3.Connection, row: Row) -> Iterator[str]:
    """Yield the columns whose collation equates different strings, as NOCASE and RTRIM do."""
    looks = {"id": LOAD, **{index: f"{statement}= ?" for index, statement in FIND.items()}}
    for name, statement in looks.items():
        text = getattr(row, name)
        found_by = [
            key
            for key in (text, text.swapcase(), f"{text} ")
            if connection.execute(statement, (key,)).fetchall()
        ]
        if found_by != [text]:
            yield f"its column {name} does not compare texts exactly (its collation is not BINARY)"
