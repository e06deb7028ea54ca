"""A server that answers whatever a test wants, byte by byte, and tells what it was sent."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

THREAD: Final = "zoho-request"

Behaviour = Callable[[socket.socket, "RawServer"], None]


class RawServer:
    """Accepts connections on the loopback, and lets `behave` do with each whatever it does.

    Arguments:
        behave: is called with the connection in a thread of its own; it ends with the function.
        certificate: a file with a certificate and its key, for TLS.
    """

    def __init__(self, behave: Behaviour, certificate: Path | None = None) -> None:
        self.requests: list[bytes] = []
        self.ended = threading.Event()
        self._behave = behave
        self._tls = None if certificate is None else _server_context(certificate)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self.port}"
        self.connections = 0
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> RawServer:
        self._threads[0].start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.ended.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def read_request(self, connection: socket.socket) -> bytes:
        """Return a request, head and body, and note it."""
        data = b""
        while b"\r\n\r\n" not in data:
            received = connection.recv(65536)
            if not received:
                return data
            data += received
        head, _, body = data.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        while lengths and len(body) < int(lengths[0].split(b":")[1]):
            body += connection.recv(65536)
        self.requests.append(head + b"\r\n\r\n" + body)
        return self.requests[-1]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=[connection])
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        with contextlib.suppress(OSError), connection:
            if self._tls is None:
                self._behave(connection, self)
                return
            with self._tls.wrap_socket(connection, server_side=True) as wrapped:
                self._behave(wrapped, self)


def answering(answer: bytes) -> Behaviour:
    """HTTPAnswer each request with these bytes, and close."""

    def behave(connection: socket.socket, server: RawServer) -> None:
        server.read_request(connection)
        connection.sendall(answer)

    return behave


def http(
    body: bytes | object,
    status: int = 200,
    content_type: str = "application/json;charset=UTF-8",
    head: str = "",
) -> bytes:
    """Return an HTTP answer; what is not bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = (
        f"HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\n{head}Content-Length: {len(content)}\r\n\r\n"
    )
    return lines.encode() + content


def hang(connection: socket.socket, server: RawServer) -> None:
    """Read the request, and never answer."""
    server.read_request(connection)
    server.ended.wait()


def reset(connection: socket.socket) -> None:
    """End a connection with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def requests_under_way() -> int:
    return sum(thread.name == THREAD for thread in threading.enumerate())


def wait_until(condition: Callable[[], bool], seconds: float = 2.0) -> bool:
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            return False
        time.sleep(0.005)
    return True


@contextlib.contextmanager
def taking_at_most(seconds: float) -> Iterator[None]:
    """Fail if the block takes longer."""
    began = time.monotonic()
    try:
        yield
    finally:
        took = time.monotonic() - began
        assert took <= seconds, f"took {took:.2f} s"


def _server_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def texts_of(error: BaseException) -> Iterator[str]:
    """Yield what an error and its causes show: texts, attributes, and the variables of our frames."""
    each: BaseException | None = error
    while each is not None:
        yield f"{each!r} {each} {vars(each)!r}"
        for frame, _ in traceback.walk_tb(each.__traceback__):
            if frame.f_globals["__name__"].startswith("zoho_tokenstore"):
                yield repr(frame.f_locals)
        each = each.__cause__ or each.__context__
