"""PostgreSQL's errors and psycopg's, and what they mean."""

from __future__ import annotations

from typing import Any, Final

from psycopg import errors

from zoho_tokenstore.backends.sql import _failures as failures
from zoho_tokenstore.backends.sql._failures import Failure
from zoho_tokenstore.backends.sql._timed_connection import NoAnswer

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
    "22": failures.TOO_LONG,
    "54": failures.TOO_LONG,
}
"""SQLSTATEs, or the classes that they begin with: https://www.postgresql.org/docs/current/errcodes-appendix.html"""

_MISSING: Final = ("42P01", "42703")
_NAMED: Final = ("42501", "P0001", *_MISSING)
_OF_SCHEMA: Final = ("0A000", "42P07", "42P16")
"""What a change of the schema fails with; the text names tables, columns, views, triggers and policies."""

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
"""What a failed login's text contains; it has no SQLSTATE. The first match counts."""


def read_failure(error: BaseException, *, connecting: bool) -> Failure:
    """Return what a psycopg exception means."""
    if isinstance(error, NoAnswer):
        return failures.SILENT
    state = getattr(error, "sqlstate", None)
    if state is not None:
        if state in _OF_SCHEMA and (change := _of_schema(error)):
            return change
        if state in _NAMED or state.startswith("23"):
            return _name_rule(error)
        known = _STATES.get(state) or _STATES.get(state[:2])
        return known or failures.other(error, state)
    if connecting:
        message = str(error)
        return next((f for text, f in _CONNECTING.items() if text in message), failures.UNREACHABLE)
    if isinstance(error, errors.OperationalError | errors.InterfaceError):
        return failures.LOST
    return failures.TOO_LONG if isinstance(error, errors.DataError) else failures.other(error)


def is_outdated(error: object) -> bool:
    """Return whether a prepared statement does not fit any more: somebody changed a column's type."""
    return isinstance(error, errors.FeatureNotSupported) and (
        error.diag.source_function == "RevalidateCachedQuery"
    )


def _of_schema(error: Any) -> Failure | None:
    """Return the failure of a change of the schema, or of a statement prepared before one."""
    if is_outdated(error):
        return failures.LOST  # a new connection has nothing prepared
    diagnosis = error.diag
    if diagnosis.context:  # a trigger's own words, which may be values
        return None
    said = filter(None, (diagnosis.message_primary, diagnosis.message_detail))
    return failures.in_the_way("; ".join(said).rstrip("."))


def _name_rule(error: Any) -> Failure:
    """Return the failure that contains a name: that of a rule, a privilege, a table or a column."""
    diagnosis = error.diag
    if error.sqlstate in _MISSING:
        return failures.no_table(diagnosis.message_primary or "")
    if error.sqlstate == "42501":
        return failures.not_allowed(diagnosis.message_primary or "")
    if error.sqlstate == "P0001":
        return failures.against("a trigger, which raised an error")
    if diagnosis.constraint_name:
        return failures.against(f"the constraint {diagnosis.constraint_name}")
    return failures.against(f"the column {diagnosis.column_name}, which must have a value")
