"""A door in front of a server, that can fall shut at a chosen moment."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable
from typing import Self

_STEP = 0.05  # seconds until a thread notices the end
_SIZE = 1 << 16


class Proxy:
    """Passes on what a client and a server on this host say to each other.

    Arguments:
        port: the server's.
    """

    def __init__(self, port: int) -> None:
        self._server = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(_STEP)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._done = threading.Event()
        self._threads: list[threading.Thread] = []
        self._losses: list[tuple[bool, Callable[[], object]]] = []
        self.lost = 0

    def __enter__(self) -> Self:
        self._begin(self._accept)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def lose_request(self) -> None:
        """Break the connection over the next request: the server never sees it."""
        self._losses.append((True, lambda: None))

    def lose_answer(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Break the connection over the next answer: the server has done its work.

        Arguments:
            meanwhile: what happens between that and the break.
        """
        self._losses.append((False, meanwhile))

    def _begin(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._done.is_set():
            with contextlib.suppress(TimeoutError):
                client, _ = self._listener.accept()
                self._begin(lambda client=client: self._serve(client))  # type: ignore[misc]

    def _serve(self, client: socket.socket) -> None:
        with (
            client,
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self._server)) as server,
        ):
            while not self._done.is_set():
                for source in select.select([client, server], [], [], _STEP)[0]:
                    said = source.recv(_SIZE)
                    if not said or self._is_lost(source is client):
                        return
                    (server if source is client else client).sendall(said)

    def _is_lost(self, is_request: bool) -> bool:
        if not self._losses or self._losses[0][0] is not is_request:
            return False
        _, meanwhile = self._losses.pop(0)
        meanwhile()
        self.lost += 1
        return True
