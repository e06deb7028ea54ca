"""moto's server. Arguments: the port. It ends when its input ends, so it never outlives the tests.

Requests are carried out one after the other. moto itself lets them overlap, which AWS does too,
but where AWS finds the conflict between two transactions, moto copies the table, works on it, and
puts the copy back if the transaction fails: what others wrote meanwhile would be lost.

Connections are kept, as AWS keeps them, and moto looks once which services it has, not at each request.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto import backends
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server


class KeepingConnections(MotoRequestHandler):
    """Answers more than one request of a connection."""

    protocol_version = "HTTP/1.1"


class OneByOne:
    """A WSGI application that has one request at a time."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self._application = application
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        with self._lock:
            return list(self._application(environ, start_response))


def main(port: str) -> None:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    services = list(backends.list_of_moto_modules())
    backends.list_of_moto_modules = lambda: services
    application = OneByOne(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", int(port), application, True, request_handler=KeepingConnections)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
