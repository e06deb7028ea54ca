"""One HTTP request over requests and urllib3, on a connection that can be cut from another thread.

Loaded when the first request is made: it imports the HTTP client.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping
from http.client import HTTPException, HTTPResponse
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, NamedTuple

from requests import PreparedRequest, RequestException, Session
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError

from zoho_tokenstore._util.clock import Clock

FAILURES: Final = (RequestException, HTTPError, HTTPException, OSError, ValueError)
"""What the client raises if a request fails; `ValueError` if a name or header cannot be sent."""


def _user_agent() -> str:
    try:
        return f"zoho-tokenstore/{version('zoho-tokenstore')}"
    except PackageNotFoundError:  # frozen into a program, without its metadata
        return "zoho-tokenstore"


_HEADERS: Final = {
    "User-Agent": _user_agent(),
    "Accept": "application/json",
    "Accept-Encoding": "identity",  # nothing is unpacked here, so nothing can blow up
    "Connection": "close",
}


class Request(NamedTuple):
    """What to send: a form, if any, and how long to wait for a connection and for each read."""

    method: str
    url: str
    headers: Mapping[str, str]
    form: Mapping[str, str] | None
    connect: float
    read: float


class Received(NamedTuple):
    """What came back; the body only as far as requested."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Line:
    """The connection of one request: whether the request may have left, and how to cut it off.

    A connection counts as established once a proxy's tunnel and TLS are up. No part of the request can
    have left before then, and none leaves after `cut` if the connection was not established.
    """

    def __init__(self, clock: Clock) -> None:
        self.sent_ms: int | None = None  # when the request could start to leave
        self._clock = clock
        self._lock = threading.Lock()
        self._is_cut = False
        self._twin: socket.socket | None = None

    def opened(self, connection: socket.socket) -> socket.socket:
        """Remember a connection, before any byte is sent on it.

        The duplicate socket refers to the same connection, whatever wraps or detaches the original: TLS (even
        during its handshake, when nothing else can reach its socket) and proxies.
        """
        with self._lock:
            if self._is_cut:
                connection.close()
            self._refuse_if_cut()
            self._drop()
            self._twin = socket.fromfd(
                connection.fileno(), connection.family, connection.type, connection.proto
            )
        return connection

    def established(self) -> None:
        """Note that the request leaves now."""
        with self._lock:
            self._refuse_if_cut()
            self.sent_ms = self._clock()

    def cut(self) -> bool:
        """End the connection, and all waiting on it; return whether the request may have left."""
        with self._lock:
            self._is_cut = True
            self._drop()
            return self.sent_ms is not None

    def _refuse_if_cut(self) -> None:
        if self._is_cut:
            raise ConnectionAbortedError("The time for this request has run out.")

    def _drop(self) -> None:
        if self._twin is None:
            return
        try:
            self._twin.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other side, or the client, has closed it already
        finally:
            self._twin.close()
            self._twin = None


def exchange(request: Request, line: Line, most: int) -> Received:
    """Send a request, and return the answer with at most `most` bytes of its body.

    Proxies, `NO_PROXY` and the CA bundle are those of the environment, as requests has them. Credentials
    of `.netrc` are not added, redirects are not followed, and nothing is sent again.

    It raises one of `FAILURES`, whose texts and attributes can contain the form.
    """
    with Session() as session:
        session.auth = _unchanged
        for scheme in ("http://", "https://"):
            session.mount(scheme, _Adapter(line))
        response = session.request(
            request.method,
            request.url,
            data=request.form,
            headers={**_HEADERS, **request.headers},
            timeout=(request.connect, request.read),
            allow_redirects=False,
            stream=True,
        )
        with response:
            return Received(response.status_code, response.headers, _body(response.raw, most))


def _body(stream: Any, most: int) -> bytes:
    """Read to the end, where missing bytes are noticed, or up to a limit."""
    stream.enforce_content_length = True  # urllib3 1 leaves that to the caller
    body = bytearray()
    while len(body) < most and (block := stream.read(min(most - len(body), 65536), decode_content=False)):
        body += block
    return bytes(body)


def _unchanged(request: PreparedRequest) -> PreparedRequest:
    """No authentication: otherwise requests looks for the host in `.netrc`."""
    return request


class _Adapter(HTTPAdapter):
    """Makes connections that report to a line, direct or through any kind of proxy."""

    def __init__(self, line: Line) -> None:
        self._line = line
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self._watch(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        self._watch(manager)
        return manager

    def _watch(self, manager: Any) -> None:
        pools: Mapping[str, Any] = manager.pool_classes_by_scheme
        manager.pool_classes_by_scheme = {scheme: self._watched(pool) for scheme, pool in pools.items()}

    def _watched(self, pool: Any) -> type:
        connection = type("Connection", (_Connection, pool.ConnectionCls), {"line": self._line})
        return type("Pool", (pool,), {"ConnectionCls": connection})


class _Response(HTTPResponse):
    """Refuses a chunk of negative size: Python takes -1 as "read everything", until memory is full."""

    def _read_next_chunk_size(self) -> int:
        size: int = super()._read_next_chunk_size()  # type: ignore[misc]  # not in its stubs
        if size < 0:
            raise HTTPException("A chunk has a negative size.")
        return size


class _Connection(HTTPConnection):
    """Mixed into the client's own connection classes."""

    line: Line
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        return self.line.opened(super()._new_conn())

    def connect(self) -> None:
        try:
            super().connect()
            self.line.established()
        except BaseException:
            self.close()  # nothing else does, once TLS is up
            raise
