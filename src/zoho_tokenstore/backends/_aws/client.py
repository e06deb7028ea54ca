"""A boto3 client for all threads of a process, and another for its children."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Final

from zoho_tokenstore._util import forks
from zoho_tokenstore.backends._aws.driver import Config, is_session, new_client
from zoho_tokenstore.backends._aws.urls import check_endpoint
from zoho_tokenstore.errors import BackendError, ConfigurationError

_MAX_CONNECTIONS: Final = 50
"""How many connections are kept for threads that call at once; more are opened, and closed after use."""


@dataclass(frozen=True)
class ServiceEndpoint:
    """Where a client sends its requests, and for whom; `None` is left to boto3's configuration."""

    service: str
    region: str | None = None
    endpoint_url: str | None = None
    session: Any = None

    def __post_init__(self) -> None:
        check_endpoint(self.endpoint_url)
        if self.session is None:
            return
        if not is_session(self.session):
            raise ConfigurationError(
                f"session must be a boto3.Session or a botocore session, not {type(self.session).__name__}."
            )
        if self.region is not None:
            raise ConfigurationError(
                "A store that is given a session cannot take region too: make the session with region_name."
            )


class AWSClient:
    """Sends single requests. Made when needed, and again after `forget` or a fork.

    A boto3 client may be shared by threads; its sockets must not be shared by processes. So a
    child makes its own, with its own locks. (A session passed by the caller is copied by the fork.)

    A request may take `timeout` seconds to connect, and as long to be answered.
    """

    def __init__(self, endpoint: ServiceEndpoint, *, timeout: float) -> None:
        self._endpoint = endpoint
        self._config = Config(
            connect_timeout=timeout,
            read_timeout=timeout,
            retries={"mode": "standard", "total_max_attempts": 1},  # `AWSCalls` tries again, within its bound
            max_pool_connections=_MAX_CONNECTIONS,
            tcp_keepalive=True,
        )
        self._client: Any = None
        self._closed = False
        self._lock = threading.Lock()
        self._owner = forks.Owner(endpoint.service)
        forks.reset_in_child(self)

    @property
    def region(self) -> str:
        """The region actually used."""
        region: str = self._open().meta.region_name
        return region

    def send(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Send one request, by the name of boto3's method. Raises what boto3 raises."""
        answer: dict[str, Any] = getattr(self._open(), operation)(**parameters)
        return answer

    def check_open(self) -> None:
        """Raise a `BackendError` if `close` has been called."""
        if self._closed:
            raise BackendError(f"This {self._endpoint.service} store has been closed.")

    def forget(self) -> None:
        """Make a new client next time, which re-reads the configured credentials."""
        with self._lock:
            self._client = None

    def close(self) -> None:
        """Close the connections. Every later request raises a `BackendError`."""
        with self._lock:
            client, self._client = self._client, None
            self._closed = True
        if client is not None:
            client.close()

    def reset(self) -> None:
        """In a child: leave the parent's sockets alone, and make a new client."""
        self._lock = threading.Lock()
        self._client = None

    def _open(self) -> Any:
        self._owner.check()
        client = self._client
        if client is not None:
            return client
        with self._lock:
            self.check_open()
            if self._client is None:
                self._client = new_client(
                    self._endpoint.service,
                    self._endpoint.session,
                    region_name=self._endpoint.region,
                    endpoint_url=self._endpoint.endpoint_url,
                    config=self._config,
                )
            return self._client
