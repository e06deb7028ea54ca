"""The client that all threads of a process share, across its forks and the server's restarts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final, TypeVarTuple

from zoho_tokenstore.backends._redis import clients, failures
from zoho_tokenstore.backends._redis.clients import Client
from zoho_tokenstore.backends._redis.keys import NOT_UNICODE
from zoho_tokenstore.backends._redis.settings import Settings
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.leases import begin_anew_after_fork

_NEVER: Final = object()

Ts = TypeVarTuple("Ts")


class Connections:
    """Runs work on a client of redis-py, once more where the connection broke.

    The client keeps a pool of connections, and gives each thread one for each command. A child
    after a fork makes a client of its own, and leaves its parent's alone.

    Arguments:
        settings: where the servers are, and how long to wait for them.
        location: the store's name, for messages: no password in it.
    """

    def __init__(self, settings: Settings, location: str) -> None:
        self.location = location
        self._settings = settings
        self._client: Client | None = None
        self._closed = False
        self._lock = threading.Lock()
        begin_anew_after_fork(self)

    def run(
        self,
        work: Callable[[Client, *Ts], Any],
        *args: *Ts,
        repeat: bool = True,
        doubtful: object = _NEVER,
    ) -> Any:
        """Return what `work` returns for the client.

        If the connection breaks, nobody knows whether the server has done the work. Then it is
        done once more, on another connection.

        Arguments:
            work: sends one command, or one script.
            args: what else it is called with.
            repeat: whether doing it twice is as good as doing it once.
            doubtful: the answer that, given the second time, does not tell what the first time did.

        Raises:
            BackendUnavailableError: there is no connection, or the server cannot do it now.
            BackendTimeoutError: there was no answer in time.
            BackendError: the server refused, or the store has been closed.
        """
        failure: Exception | None
        try:
            return self._attempt(work, *args)
        except UnicodeEncodeError:
            failure = None  # not chained: it holds the text
        except failures.DRIVER_ERRORS as error:
            failure = error
        if failure is None:
            raise BackendError(NOT_UNICODE)
        if repeat and failures.is_dropped(failure):
            try:
                answer = self._attempt(work, *args)
            except failures.DRIVER_ERRORS as error:
                failure = error
            else:
                if answer == doubtful:
                    raise failures.doubtful(self.location)
                return answer
        # Outside of the handlers, so that what may quote a stored value is not even the context.
        raise failures.translated(self.location, failure, self._settings.timeout) from failures.cause(failure)

    def close(self) -> None:
        """Close all connections, those in use when their work is done. Later work raises a `BackendError`."""
        with self._lock:
            self._closed = True
            client, self._client = self._client, None
        if client is not None:
            clients.close(client)

    def begin_anew(self) -> None:
        """Leave the parent's client to the parent."""
        self._lock = threading.Lock()
        client, self._client = self._client, None
        if client is not None:
            clients.disown(client)

    def _attempt(self, work: Callable[[Client, *Ts], Any], *args: *Ts) -> Any:
        client = self._client or self._open()
        try:
            return work(client, *args)
        finally:
            if self._closed:  # meanwhile
                clients.close(client)

    def _open(self) -> Client:
        with self._lock:
            if self._closed:
                raise BackendError(f"The store on {self.location} has been closed.")
            if self._client is None:
                self._client = clients.make(self._settings)
            return self._client
