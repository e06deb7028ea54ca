"""Where Zoho sends the browser back to: a server on this computer, for one login (RFC 8252, 7.3)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import queue
import socket
import threading
import time
from collections.abc import Mapping
from html import escape
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any, Final, NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

from zoho_tokenstore.errors import AccountsUnavailableError, ConfigurationError

_HOSTS: Final = {"localhost": "127.0.0.1", "127.0.0.1": "127.0.0.1", "::1": "::1"}
"""The names that a redirect URL may have, and the address to listen on for each."""

_TICK: Final = 0.2
"""How many seconds Ctrl+C may take: on Windows, a wait cannot be interrupted."""

_READ_TIMEOUT: Final = 5.0
_STYLE: Final = "body{font:1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:3rem auto;padding:0 1rem}"
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS: Final = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Connection": "close",
}


class Place(NamedTuple):
    """The address in a redirect URL."""

    host: str
    port: int
    netloc: str
    path: str


def place_of(redirect_url: str) -> Place:
    """Return where to listen for a redirect."""
    try:
        parts = urlsplit(redirect_url)
        host, port = _HOSTS.get(parts.hostname or ""), parts.port
    except ValueError:
        host, port = None, None
    if host is None or parts.scheme != "http" or parts.username or parts.query or parts.fragment:
        raise ConfigurationError(
            "The redirect URL must lead to this computer, as http://127.0.0.1:8400/callback does: one of "
            f"{', '.join(_HOSTS)}, without a query. Register the same one at Zoho."
        )
    netloc = parts.netloc.lower().removesuffix(":80")  # as a browser's Host has it
    return Place(host, 80 if port is None else port, netloc, parts.path or "/")


class Loopback:
    """Waits for one redirect, in the block of a `with`.

    Requests for anything else, with another state, or from a page that reached this server under another
    name, are refused, and change nothing. The first good one decides.
    """

    def __init__(self, redirect_url: str, state: str) -> None:
        self._place = place_of(redirect_url)
        self._state = state
        self._deciding = threading.Lock()
        self._answers: queue.Queue[Mapping[str, str]] = queue.Queue()
        self._server = self._listen()

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(_TICK,), daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def wait(self, seconds: float) -> Mapping[str, str]:
        """Return the parameters of the redirect."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            try:
                return self._answers.get(timeout=_TICK)
            except queue.Empty:
                continue
        raise AccountsUnavailableError(
            f"Nobody logged in within {seconds:.0f} s. Begin again. If the browser could not connect in the "
            "end, it runs on another computer: use --device."
        )

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer a request, and keep its parameters if it decides."""
        found = self._parameters(request)
        if isinstance(found, Refusal):
            _send(request, *found)
        elif not self._deciding.acquire(blocking=False):  # it is never released
            _send(request, *_TWICE)
        else:
            try:
                _send(request, *(_DENIED if "error" in found else _DONE))
            finally:
                self._answers.put(found)

    def _parameters(self, request: BaseHTTPRequestHandler) -> Mapping[str, str] | Refusal:
        path, _, query = request.path.partition("?")
        if request.headers.get("Host", "").lower() != self._place.netloc or path != self._place.path:
            return _NOT_HERE
        values = parse_qs(query, keep_blank_values=True, max_num_fields=20)
        found = {name: texts[0] for name, texts in values.items()}
        is_ours = hmac.compare_digest(found.get("state", "").encode(), self._state.encode())
        is_clear = all(len(texts) == 1 for texts in values.values()) and ("code" in found or "error" in found)
        return found if is_ours and is_clear else _FOREIGN

    def _listen(self) -> ThreadingTCPServer:
        try:
            return _server_class(self._place.host)((self._place.host, self._place.port), _handler_class(self))
        except OSError as error:
            raise ConfigurationError(
                f"The port {self._place.port} of {self._place.host} cannot be used: {error.strerror}. Maybe "
                "another login is waiting. Otherwise pass another --redirect-url, and register it at Zoho."
            ) from error


class Refusal(NamedTuple):
    """A page that a browser gets."""

    status: int
    title: str
    text: str


_DONE: Final = Refusal(200, "You are logged in", "Continue in your terminal. You can close this page.")
_DENIED: Final = Refusal(200, "Not logged in", "Access was refused. You can close this page.")
_TWICE: Final = Refusal(409, "Already answered", "This login has been answered. You can close this page.")
_NOT_HERE: Final = Refusal(404, "Nothing here", "This server waits for a login.")
_FOREIGN: Final = Refusal(
    400, "Not this login", "This page does not belong to the login that is waiting. Begin again there."
)


def _send(request: BaseHTTPRequestHandler, status: int, title: str, text: str) -> None:
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1><p>{escape(text)}</p></body></html>"
    ).encode()
    request.send_response(status)
    for name, value in _HEADERS.items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(page)))
    request.end_headers()
    request.wfile.write(page)


def _server_class(host: str) -> type[ThreadingTCPServer]:
    class Server(ThreadingTCPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        allow_reuse_address = os.name != "nt"  # there, it would let others listen on the port as well
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: Any, client_address: Any) -> None:  # a browser that went away
            pass

    return Server


def _handler_class(loopback: Loopback) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _READ_TIMEOUT  # browsers open connections that they do not use
        server_version, sys_version = "zoho-tokens", ""

        def do_GET(self) -> None:
            loopback.answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the code is in it
            pass

    return Handler
