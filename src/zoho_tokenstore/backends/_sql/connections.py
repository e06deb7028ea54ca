"""A pool of connections for the threads of a process, and what becomes of a call whose connection fails."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter, methodcaller
from typing import Any, Final, TypeVar, TypeVarTuple

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.pool import ConnectionPoolEntry

from zoho_tokenstore.backends import _forks
from zoho_tokenstore.backends._sql import failures
from zoho_tokenstore.backends._sql.dialect import Dialect
from zoho_tokenstore.backends._sql.failures import Failure, Kind
from zoho_tokenstore.backends._sql.pool import MADE_AT, RestingPool
from zoho_tokenstore.errors import BackendError, BackendTimeoutError, ConfigurationError
from zoho_tokenstore.leases import begin_anew_after_fork

_MOST_LOSSES: Final = 3
"""One for a connection that rested, one for another such, one for a server that ended just now."""

_SHORTEST_PAUSE: Final = 0.001
_LONGEST_PAUSES: Final = {Kind.PASSING: 0.05, Kind.CROWDED: 0.5}
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
    """A query as SQLAlchemy has it and as the driver takes it, and the names of its parameters in order."""

    def __init__(
        self, statement: sa.Select[Any], names: Sequence[str], dialect: sa.Dialect, options: Mapping[str, Any]
    ) -> None:
        self.names = names
        self.options = options
        self.text = str(statement.compile(dialect=dialect))
        self.statement = statement

    def values(self, *values: object) -> dict[str, object]:
        """Return the parameters by their names, as SQLAlchemy and our drivers take them."""
        return dict(zip(self.names, values, strict=True))


class Connections:
    """Runs work on connections of a pool. Each statement is a transaction of its own.

    Arguments:
        url: where the database is.
        dialect: what is particular about it.
        location: its name for messages.
        timeout: how long to wait for a free connection, a lock or an answer, in seconds.
        size: how many connections this process has at most.
    """

    def __init__(self, url: sa.URL, dialect: Dialect, location: str, *, timeout: float, size: int) -> None:
        self.location = location
        self.timeout = timeout
        self._dialect = dialect
        self._size = size
        self._closed = False
        self._left_alone: list[object] = []
        self._engine = _make_engine(url, dialect, timeout, size, Gate())
        self._driver = self._engine.dialect.loaded_dbapi
        self._driver_error = self._driver.Error
        begin_anew_after_fork(self)

    def run(self, work: Callable[[sa.Connection, *Ts], T], *args: *Ts, repeatable: bool = True) -> T:
        """Return what `work` returns for a connection.

        If the connection is lost, `work` is called again with a new one. So it must not matter if
        what it did at first had been done; or else it is not `repeatable`, and only called if the
        server has just answered.

        Raises:
            BackendError: the database failed, or the store has been closed.
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
                raise self._told(failure, caught)

    def query(self, statement: sa.Select[Any], *names: str, is_planned_once: bool = True) -> Query:
        """Return a statement with parameters of these names, for `one` and `all`."""
        options = {} if is_planned_once else self._dialect.planned_anew
        return Query(statement, names, self._engine.dialect, options)

    def change(self, statement: sa.Update, columns: Iterable[str]) -> str | None:
        """Return an update of these columns for `changes_one`; `None` if the driver is not to be used."""
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
        """Tell whether an update has changed one row, by the driver's cursor; raise what `run` raises.

        If it tells no, nothing may be known: `run` has to find out.
        """
        return change is not None and self._by_driver(change, values, _row_count) == 1

    def _by_driver(
        self, text: str, values: Any, read: Callable[[Any], Any], options: Mapping[str, Any] = _NO_OPTIONS
    ) -> Any:
        """Return what `read` makes of the driver's cursor; `_FAILED` if `run` may do better."""
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
            raise self._told(failure, caught, text)
        return _FAILED

    def _is_refusal(self, error: BaseException) -> bool:
        """Tell whether a server has refused a statement, which as its own transaction left nothing behind."""
        driver = self._driver
        if isinstance(error, driver.IntegrityError | driver.DataError | driver.ProgrammingError):
            return True
        # With a state it is the server's word (psycopg, of a read-only one); PyMySQL's is of a lost line.
        return isinstance(error, driver.InternalError) and getattr(error, "sqlstate", None) is not None

    def close(self) -> None:
        """Close the connections. Later work raises a `BackendError`."""
        self._closed = True
        self._pool.dispose()

    def begin_anew(self) -> None:
        """In a child after a fork: leave the parent's connections alone, and make own ones."""
        self._left_alone.append(self._pool)  # nor may the garbage collector close them
        self._engine.dispose(close=False)

    @property
    def _pool(self) -> RestingPool:
        pool = self._engine.pool
        assert isinstance(pool, RestingPool)
        return pool

    def _check_open(self) -> None:
        if self._closed:
            raise BackendError(f"The store on {self.location} has been closed.")

    def _failure(self, error: Exception, *, connecting: bool) -> Failure:
        if isinstance(error, exc.TimeoutError):
            return failures.all_in_use(self._size, self.timeout)
        failure = self._dialect.failure(_orig(error), connecting=connecting)
        if failure.kind is Kind.CROWDED:
            self._pool.crowded()
        if failure.kind is Kind.FINAL and failure.error is not BackendTimeoutError and not connecting:
            is_lost = getattr(error, "connection_invalidated", False)
            return failures.LOST if is_lost else failure
        return failure

    def _told(self, failure: Failure, caught: Exception, text: str | None = None) -> BackendError:
        """Return the error to raise, outside the handler of what was caught: nothing of that must show."""
        sent = text or getattr(caught, "statement", None)
        if sent and "did not allow it" in failure.says:  # PostgreSQL names the table, and not the right
            verb = sent.split()[0]
            failure = replace(failure, says=failure.says.replace("allow it", f"allow {verb}"))
        error = failure.at(self.location)
        error.__cause__ = _orig(caught) if failure.is_quotable else None
        return error


class Gate:
    """Lets no fork happen while a connection is being made.

    Drivers spend that time in OpenSSL, with its locks held: a child that inherits one of them waits
    for good at its first connection.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._quiet = threading.Condition(self._lock)
        self._inside = 0
        _forks.register(self)

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1

    def __exit__(self, *exc_info: object) -> None:
        with self._lock:
            self._inside -= 1
            self._quiet.notify_all()

    def rest(self) -> None:
        self._lock.acquire()
        while self._inside:
            self._quiet.wait()

    def resume(self) -> None:
        self._lock.release()


class _Call:
    """How often, and for how long, one call is tried again."""

    def __init__(self, timeout: float) -> None:
        self._deadline = time.monotonic() + timeout
        self._losses = 0
        self._pause = _SHORTEST_PAUSE

    def goes_on(self, failure: Failure) -> bool:
        """Tell whether to try again; if so, after a pause where that helps."""
        if failure.kind is Kind.LOST:
            self._losses += 1
            return self._losses < _MOST_LOSSES
        if failure.kind not in _LONGEST_PAUSES or time.monotonic() > self._deadline:
            return False
        # Jitter against lockstep, not a secret.
        time.sleep(self._pause * random.uniform(0.5, 1.0))  # noqa: S311
        self._pause = min(self._pause * 2, _LONGEST_PAUSES[failure.kind])
        return True


def _read(
    taken: ConnectionPoolEntry,
    statement: tuple[str, Any],
    options: Mapping[str, Any],
    read: Callable[[Any], Any],
    is_refusal: Callable[[BaseException], bool],
) -> Any:
    try:
        cursor: Any = taken.info.get(_CURSOR)
        if cursor is None:  # kept with its connection: to make one takes a tenth of a look-up
            cursor = taken.info[_CURSOR] = taken.dbapi_connection.cursor()  # type: ignore[union-attr]
        cursor.execute(*statement, **options)
        return read(cursor)
    except BaseException as error:
        if not is_refusal(error):
            taken.invalidate()  # whatever it is in the midst of, nobody else may go on with
        raise


def _fetch(connection: sa.Connection, query: Query, value: object) -> Any:
    found = connection.execute(query.statement, query.values(value)).first()
    return None if found is None else tuple(found)


def _fetch_all(connection: sa.Connection, query: Query, values: tuple[object, ...]) -> Sequence[Any]:
    return [tuple(found) for found in connection.execute(query.statement, query.values(*values))]


def unusable_option(error: Exception) -> ConfigurationError:
    """Return what to raise for an option of the URL that the driver does not take."""
    return ConfigurationError(
        f"The driver cannot use an option of the URL: {error}. See the options on the store's page."
    )


def _orig(error: Exception) -> BaseException:
    """Return the driver's own exception; SQLAlchemy's shows the statement."""
    orig = error.orig if isinstance(error, exc.DBAPIError) else None
    return error if orig is None else orig


def _make_engine(url: sa.URL, dialect: Dialect, timeout: float, size: int, gate: Gate) -> sa.Engine:
    options = {"skip_autocommit_rollback": True} if dialect.is_plain else {}
    engine = sa.create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_reset_on_return=None,  # There is no transaction to undo.
        hide_parameters=True,
        poolclass=RestingPool,
        pool_size=size,
        pool_timeout=timeout,
        gate=gate,
        connect_args=dialect.connect_args(timeout),
        **options,
    )

    @sa.event.listens_for(engine, "do_connect")
    def connect(driver: sa.Dialect, record: Any, args: Any, options: dict[str, Any]) -> Any:
        record.info[MADE_AT] = time.time()
        try:
            with gate:
                return dialect.connect(driver, args, options, timeout)
        except (TypeError, ValueError, FileNotFoundError) as error:  # of no driver's own kind
            raise unusable_option(error) from error

    dialect.prepare(engine, timeout)
    return engine
