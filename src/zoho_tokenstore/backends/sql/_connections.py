"""A pool of connections for the threads of a process, and what happens to a call whose connection fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter, methodcaller
from typing import Any, Final, TypeVar, TypeVarTuple

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.pool import ConnectionPoolEntry

from zoho_tokenstore._util import forks
from zoho_tokenstore._util.deadlines import Deadline
from zoho_tokenstore.backends.sql import _failures as failures
from zoho_tokenstore.backends.sql._dialect import Dialect
from zoho_tokenstore.backends.sql._failures import Failure, Kind
from zoho_tokenstore.backends.sql._pool import MADE_AT, IdleClosingPool
from zoho_tokenstore.errors import BackendError, BackendTimeoutError

_MAX_LOSSES: Final = 3
"""Two for idle connections, one for a server that just ended."""

_LONGEST_DELAYS: Final = {Kind.PASSING: 0.05, Kind.CROWDED: 0.25}
_CURSOR: Final = "zoho_tokenstore.cursor"
_PING: Final = sa.select(sa.literal(1))
_FAILED: Final = object()
_NO_OPTIONS: Final[Mapping[str, Any]] = {}
_first: Final = methodcaller("fetchone")
_all: Final = methodcaller("fetchall")
_row_count: Final = attrgetter("rowcount")

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Query:
    """A query for SQLAlchemy and for the driver, and the names of its parameters in order."""

    def __init__(
        self, statement: sa.Select[Any], names: Sequence[str], dialect: sa.Dialect, options: Mapping[str, Any]
    ) -> None:
        self.names = names
        self.options = options
        self.text = str(statement.compile(dialect=dialect))
        self.statement = statement

    def values(self, *values: object) -> dict[str, object]:
        """Return the parameters by name, as SQLAlchemy and our drivers expect them."""
        return dict(zip(self.names, values, strict=True))


class SQLConnections:
    """Runs work on pooled connections. Each statement is its own transaction."""

    def __init__(self, engine: sa.Engine, dialect: Dialect, location: str, *, timeout: float) -> None:
        self.location = location
        self.timeout = timeout
        self._dialect = dialect
        self._closed = False
        self._left_alone: list[object] = []
        self._engine = engine
        self._driver = self._engine.dialect.loaded_dbapi
        self._driver_error = self._driver.Error
        self._owner = forks.Owner(location)
        forks.reset_in_child(self)

    def run(self, work: Callable[[sa.Connection, *Ts], T], *args: *Ts, repeatable: bool = True) -> T:
        """Return what `work` returns for a connection.

        If the connection is lost, `work` is called again with a new one. So it must not matter whether
        the first attempt took effect; otherwise it is not `repeatable`, and only called if the server
        has just answered.
        """
        call = _Call(self.timeout)
        while True:
            self._check_open()
            made_at, sent = 0.0, False
            try:
                with self._engine.connect() as connection:
                    made_at = connection.info[MADE_AT]
                    if not repeatable:
                        connection.execute(_PING)
                    sent = not repeatable
                    done = work(connection, *args)
                    self._dialect.check_kept(connection)
                    return done
            except (exc.DBAPIError, exc.TimeoutError) as error:
                caught = error
            failure = self._failure(caught, connecting=not made_at)
            if failure.kind is Kind.LOST and sent:
                failure = failures.UNCERTAIN
            if failure.kind is Kind.ELSEWHERE and made_at and self._pool.replaces(made_at):
                continue
            if not call.goes_on(failure):
                raise self._make_error(failure, caught)

    def query(self, statement: sa.Select[Any], *names: str, is_planned_once: bool = True) -> Query:
        """Return a statement with parameters of these names, for `one` and `all`."""
        options = {} if is_planned_once else self._dialect.replanned
        return Query(statement, names, self._engine.dialect, options)

    def change(self, statement: sa.Update, columns: Iterable[str]) -> str | None:
        """Return an update of these columns for `changes_one`; `None` if the driver should not be used."""
        if not self._dialect.is_plain:
            return None
        return str(statement.compile(dialect=self._engine.dialect, column_keys=list(columns)))

    def one(self, query: Query, value: object) -> Any:
        """Return the only row of a query with one parameter, or `None`; raise what `run` raises.

        The connection is the pool's, but the cursor is the driver's: SQLAlchemy's own way takes as
        long as the driver and the server together.
        """
        if self._dialect.is_plain:
            found = self._by_driver(query.text, {query.names[0]: value}, _first)
            if found is not _FAILED:
                return found
        return self.run(_fetch, query, value)

    def all(self, query: Query, *values: object) -> Sequence[Any]:
        """Return all rows of a query, likewise."""
        if self._dialect.is_plain:
            found: Any = self._by_driver(query.text, query.values(*values), _all, query.options)
            if found is not _FAILED:
                return found  # type: ignore[no-any-return]
        return self.run(_fetch_all, query, values)

    def changes_one(self, change: str | None, values: Mapping[str, object]) -> bool:
        """Return whether an update changed one row, by the driver's cursor; raise what `run` raises.

        If it returns false, nothing may be known: `run` must find out.
        """
        return change is not None and self._by_driver(change, values, _row_count) == 1

    def _by_driver(
        self, text: str, values: Any, read: Callable[[Any], Any], options: Mapping[str, Any] = _NO_OPTIONS
    ) -> Any:
        """Return what `read` gets from the driver's cursor; `_FAILED` if `run` may do better."""
        self._check_open()
        connecting = True
        try:
            taken = (pool := self._pool).take()
            connecting = False
            try:
                return _read(taken, (text, values), options, read, self._is_refusal)
            finally:
                pool.give_back(taken)
        except (self._driver_error, exc.TimeoutError) as error:
            caught = error
        failure = self._failure(caught, connecting=connecting)
        if failure.kind is Kind.FINAL:
            raise self._make_error(failure, caught, text)
        return _FAILED

    def _is_refusal(self, error: BaseException) -> bool:
        """Return whether a server refused a statement, which as its own transaction left nothing behind."""
        driver = self._driver
        if isinstance(error, driver.IntegrityError | driver.DataError | driver.ProgrammingError):
            return True
        # With a state, the server raised it (psycopg: read-only); PyMySQL's means a lost connection.
        return isinstance(error, driver.InternalError) and getattr(error, "sqlstate", None) is not None

    def close(self) -> None:
        """Close the connections. Later work raises a `BackendError`."""
        self._closed = True
        self._pool.dispose()

    def reset(self) -> None:
        """In a child after a fork: leave the parent's connections alone, and make new ones."""
        self._left_alone.append(self._pool)  # the garbage collector must not close them either
        self._engine.dispose(close=False)

    @property
    def _pool(self) -> IdleClosingPool:
        pool = self._engine.pool
        assert isinstance(pool, IdleClosingPool)
        return pool

    def _check_open(self) -> None:
        self._owner.check()
        if self._closed:
            raise BackendError(f"The store on {self.location} has been closed.")

    def _failure(self, error: Exception, *, connecting: bool) -> Failure:
        if isinstance(error, exc.TimeoutError):
            return failures.ALL_IN_USE
        failure = self._dialect.failure(_orig(error), connecting=connecting)
        if failure.kind is Kind.CROWDED:
            self._pool.crowded()
        if failure.kind is Kind.FINAL and failure.error is not BackendTimeoutError and not connecting:
            is_lost = getattr(error, "connection_invalidated", False)
            return failures.LOST if is_lost else failure
        return failure

    def _make_error(self, failure: Failure, caught: Exception, text: str | None = None) -> BackendError:
        """Return the error to raise, outside the handler of what was caught: none of that may show."""
        sent = text or getattr(caught, "statement", None)
        verb = sent.split()[0] if sent else "WITH"  # which precedes statements of several verbs
        if verb != "WITH" and "did not allow it" in failure.says:  # PostgreSQL names only the table
            failure = replace(failure, says=failure.says.replace("allow it", f"allow {verb}"))
        error = failure.at(self.location)
        error.__cause__ = _orig(caught) if failure.is_quotable else None
        return error


class _Call:
    """How often, and for how long, one call is retried."""

    def __init__(self, timeout: float) -> None:
        self._deadline = Deadline(timeout)
        self._losses = 0

    def goes_on(self, failure: Failure) -> bool:
        """Return whether to retry; if so, after a pause if that helps."""
        if failure.kind is Kind.LOST:
            self._losses += 1
            return self._losses < _MAX_LOSSES
        if failure.kind not in _LONGEST_DELAYS:
            return False
        self._deadline.longest_delay = _LONGEST_DELAYS[failure.kind]
        return self._deadline.delay()


def _read(
    taken: ConnectionPoolEntry,
    statement: tuple[str, Any],
    options: Mapping[str, Any],
    read: Callable[[Any], Any],
    is_refusal: Callable[[BaseException], bool],
) -> Any:
    try:
        cursor: Any = taken.info.get(_CURSOR)
        if cursor is None:  # kept with its connection: making one takes a tenth of a look-up
            cursor = taken.info[_CURSOR] = taken.dbapi_connection.cursor()  # type: ignore[union-attr]
        cursor.execute(*statement, **options)
        return read(cursor)
    except BaseException as error:
        if not is_refusal(error):
            taken.invalidate()  # nobody else may continue with whatever it is in the middle of
        raise


def _fetch(connection: sa.Connection, query: Query, value: object) -> Any:
    found = connection.execute(query.statement, query.values(value)).first()
    return None if found is None else tuple(found)


def _fetch_all(connection: sa.Connection, query: Query, values: tuple[object, ...]) -> Sequence[Any]:
    return [tuple(found) for found in connection.execute(query.statement, query.values(*values))]


def _orig(error: Exception) -> BaseException:
    """Return the driver's own exception; SQLAlchemy's shows the statement."""
    orig = error.orig if isinstance(error, exc.DBAPIError) else None
    return error if orig is None else orig
