"""A wire between a store and its server, that counts, cuts, and keeps silent."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

_TICK = 0.02


class Proxy:
    """Passes bytes on, until it is told to do worse.

    Arguments:
        url: the URL of a store on a server of the loopback.

    `round_trips` counts how often the store asked and had to wait. While `is_silent`, nothing is
    passed on. If `swallow` is 1, the server's next answer is dropped and its connection ended; if it
    is 2, the one after that; below zero, every one.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._port = parts.port
        self._listener = socket.create_server(("127.0.0.1", 0))
        own = self._listener.getsockname()[1]
        self.url = url.replace(f":{parts.port}/", f":{own}/", 1)
        self.round_trips = 0
        self.connections = 0
        self.is_silent = False
        self.swallow = 0
        self._generation = 0
        self._closed = False
        self._threads = [threading.Thread(target=self._listen)]
        self._threads[0].start()

    def cut(self) -> None:
        """End all connections."""
        self._generation += 1

    def close(self) -> None:
        """End all connections, and wait for the threads."""
        self._closed = True
        self.cut()
        for thread in self._threads:
            thread.join()

    def _is_to_swallow(self) -> bool:
        if self.swallow > 0:
            self.swallow -= 1
            return self.swallow == 0
        return self.swallow < 0

    def _listen(self) -> None:
        with self._listener:
            while not self._closed:
                if select.select([self._listener], [], [], _TICK)[0]:
                    self.connections += 1
                    client, _ = self._listener.accept()
                    self._threads.append(threading.Thread(target=self._pass_on, args=(client,)))
                    self._threads[-1].start()

    def _pass_on(self, client: socket.socket) -> None:
        generation = self._generation
        asking = False
        with client, socket.create_connection(("127.0.0.1", self._port)) as server:
            while generation == self._generation:
                for ready in self._ready(client, server):
                    data = _received(ready)
                    if not data or (ready is server and self._is_to_swallow()):
                        return
                    self.round_trips += ready is client and not asking
                    asking = ready is client
                    with contextlib.suppress(ConnectionError):
                        (server if asking else client).sendall(data)

    def _ready(self, *sockets: socket.socket) -> list[socket.socket]:
        if self.is_silent:
            time.sleep(_TICK)
            return []
        return select.select(sockets, [], [], _TICK)[0]


@contextlib.contextmanager
def before(url: str) -> Iterator[Proxy]:
    """Put a wire before the server of this URL."""
    proxy = Proxy(url)
    try:
        yield proxy
    finally:
        proxy.close()


def _received(ready: socket.socket) -> bytes:
    try:
        return ready.recv(65536)
    except ConnectionError:
        return b""
