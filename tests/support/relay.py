"""A wire between a store and its server, that can be cut for a while."""

from __future__ import annotations

import contextlib
import re
import select
import socket
import threading
from collections.abc import Callable, Iterator

_STEP = 0.02  # seconds until a thread notices the end
_ADDRESS = re.compile(r"(?<=127\.0\.0\.1)(:|%3A)(\d+)")


class Relay:
    """Passes on what clients and a server on the loopback say to each other.

    Arguments:
        url: the URL of a store on that server.

    `url` is then that of the same store by this wire.
    """

    def __init__(self, url: str) -> None:
        found = _ADDRESS.search(url)
        assert found, "the server must be at 127.0.0.1, with its port in the URL"
        self._server = int(found[2])
        self._is_up, self._is_done = True, False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._address = self._listener.getsockname()
        self.url = _ADDRESS.sub(rf"\g<1>{self._address[1]}", url, count=1)
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Relay:
        self._listen()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._end()

    @contextlib.contextmanager
    def cut(self) -> Iterator[None]:
        """End all connections, and refuse new ones, until the block ends."""
        self._end()
        try:
            yield
        finally:
            self._listener = socket.create_server(self._address)
            self._listen()

    def _listen(self) -> None:
        self._is_up = True
        self._begin(self._accept)

    def _end(self) -> None:
        self._is_up = False
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def _begin(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with self._listener as listener:
            while self._is_up:
                if select.select([listener], [], [], _STEP)[0]:
                    self._begin(self._pass_on, listener.accept()[0])

    def _pass_on(self, client: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            client,
            socket.create_connection(("127.0.0.1", self._server)) as server,
        ):
            while self._is_up:
                for source in select.select([client, server], [], [], _STEP)[0]:
                    said = source.recv(1 << 16)
                    if not said:
                        return
                    (server if source is client else client).sendall(said)
