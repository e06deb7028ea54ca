"""The client that all threads of a process share, across its forks and the server's restarts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final, TypeVarTuple

from zoho_tokenstore._util import forks
from zoho_tokenstore.backends.redis import _failures as failures
from zoho_tokenstore.backends.redis._callers_client import CallersClient
from zoho_tokenstore.backends.redis._clients import OwnClients, RedisClient, close_idle
from zoho_tokenstore.errors import BackendError

ClientSource = OwnClients | CallersClient

_NEVER: Final = object()

Ts = TypeVarTuple("Ts")


class RedisConnections:
    """Runs work on a redis-py client, once more if the connection broke.

    The client keeps a pool of connections, and lends one for each command. A child
    after a fork asks for its own client, and leaves its parent's alone.
    """

    def __init__(self, source: ClientSource, location: str) -> None:
        self.location = location
        self._source = source
        self._client: RedisClient | None = None
        self._closed = False
        self._lock = threading.Lock()
        self._owner = forks.Owner(location)
        forks.reset_in_child(self)

    def run(
        self,
        work: Callable[[RedisClient, *Ts], Any],
        *args: *Ts,
        repeat: bool = True,
        doubtful: object = _NEVER,
    ) -> Any:
        """Return what `work` returns for the client.

        If the connection breaks, nobody knows whether the server did the work. Then it is
        done once more, on another connection.

        That is only done to what may `repeat`, for which twice is as good as once. `doubtful` is the answer
        that, the second time, does not show what the first time did.
        """
        try:
            return self._attempt(work, *args)
        except failures.DRIVER_ERRORS as error:
            failure: Exception = error
        if repeat and failures.is_connection_lost(failure):
            try:
                answer = self._attempt(work, *args)
            except failures.DRIVER_ERRORS as error:
                failure = error
            else:
                if answer == doubtful:
                    raise failures.unclear_outcome(self.location)
                return answer
        # Outside the handlers, so that what may quote a stored value is not even the context.
        mapped = failures.map_error(self.location, failure, self._source.timeout)
        raise mapped from failures.safe_cause(failure)

    def close(self) -> None:
        """Close all connections, those in use once their work is done. Later work raises a `BackendError`."""
        with self._lock:
            self._closed = True
            client, self._client = self._client, None
        if client is not None:
            self._source.close(client)

    def reset(self) -> None:
        """Leave the parent's client to the parent."""
        self._lock = threading.Lock()
        client, self._client = self._client, None
        if client is not None:
            self._source.disown(client)

    def _attempt(self, work: Callable[[RedisClient, *Ts], Any], *args: *Ts) -> Any:
        self._owner.check()
        client = self._client or self._open()
        try:
            return work(client, *args)
        except failures.DRIVER_ERRORS:
            raise
        except BaseException:  # of a signal's handler
            close_idle(client)  # an answer that nobody has read may wait on a connection
            raise
        finally:
            if self._closed:  # meanwhile
                self._source.close(client)

    def _open(self) -> RedisClient:
        with self._lock:
            if self._closed:
                raise BackendError(f"The store on {self.location} has been closed.")
            if self._client is None:
                self._client = self._source.make()
            return self._client
