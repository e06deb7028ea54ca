"""A boto3 client for all threads of a process, and another one for its children."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Final

from zoho_tokenstore.backends._aws.driver import Config, new_client
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.leases import begin_anew_after_fork

_CONNECTIONS: Final = 50
"""How many connections are kept for threads that call at once; more are made, and closed after use."""


@dataclass(frozen=True)
class Place:
    """Where a client sends its requests; what is `None` is left to boto3's own configuration."""

    service: str
    region: str | None
    endpoint_url: str | None


class Client:
    """Sends single requests. It is made when it is needed, and again after `forget` or a fork.

    A boto3 client may be shared by threads; its sockets must not be shared by processes. So a
    child makes its own, with locks of its own.

    Arguments:
        place: the service and where it is.
        patience: how long one request may take to connect, and again to be answered, in seconds.
    """

    def __init__(self, place: Place, *, patience: float) -> None:
        self._place = place
        self._config = Config(
            connect_timeout=patience,
            read_timeout=patience,
            retries={"mode": "standard", "total_max_attempts": 1},  # `Calls` tries again, within its bound
            max_pool_connections=_CONNECTIONS,
            tcp_keepalive=True,
        )
        self._client: Any = None
        self._closed = False
        self._lock = threading.Lock()
        begin_anew_after_fork(self)

    @property
    def region(self) -> str:
        """The region that is really used."""
        region: str = self._open().meta.region_name
        return region

    def send(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Send one request, by the name of boto3's method. Raises what boto3 raises."""
        answer: dict[str, Any] = getattr(self._open(), operation)(**parameters)
        return answer

    def check_open(self) -> None:
        """Raise a `BackendError` if `close` has been called."""
        if self._closed:
            raise BackendError(f"This {self._place.service} store has been closed.")

    def forget(self) -> None:
        """Make another client next time, which reads the configured credentials again."""
        with self._lock:
            self._client = None

    def close(self) -> None:
        """Close the connections. Every later request raises a `BackendError`."""
        with self._lock:
            client, self._client = self._client, None
            self._closed = True
        if client is not None:
            client.close()

    def begin_anew(self) -> None:
        """In a child: leave the parent's sockets alone, and make a client of its own."""
        self._lock = threading.Lock()
        self._client = None

    def _open(self) -> Any:
        client = self._client
        if client is not None:
            return client
        with self._lock:
            self.check_open()
            if self._client is None:
                self._client = new_client(
                    self._place.service,
                    region_name=self._place.region,
                    endpoint_url=self._place.endpoint_url,
                    config=self._config,
                )
            return self._client
