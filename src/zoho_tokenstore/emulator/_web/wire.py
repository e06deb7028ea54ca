"""Answers that only a broken server gives: written past the server's HTTP, byte by byte or endlessly."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable, Iterator
from contextlib import suppress
from http import HTTPStatus

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

TRANSPORT = "zoho_tokenstore.emulator.transport"

_FLOOD_PAUSE = 0.01
_PIECE = b"x" * 65_536
_MAX_UNSENT = 1_000_000


class Disconnect(Response):
    """Closes the connection without an answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Abort the server's transport, if the server gives access to it."""
        transport_of(scope).abort()
        await _gone(receive)


class Trickle(Response):
    """Writes pieces of bytes with pauses, then closes the connection.

    Args:
        pieces: what to write.
        pause: seconds after each piece.
        stopping: set when the server shuts down.
        status: the HTTP status of what is written, for the journal.
    """

    def __init__(self, pieces: Iterable[bytes], pause: float, stopping: asyncio.Event, status: int) -> None:
        super().__init__(status_code=status)
        self._pieces = pieces
        self._pause = pause
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Write to the server's transport, if the server gives access to it, until nobody listens."""
        transport = transport_of(scope)
        for piece in self._pieces:
            transport.write(piece)
            await pause(self._stopping, self._pause)
            while transport.get_write_buffer_size() > _MAX_UNSENT and not self._is_over(transport):
                await pause(self._stopping, _FLOOD_PAUSE)
            if self._is_over(transport):
                transport.abort()
                break
        transport.close()
        await _gone(receive)

    def _is_over(self, transport: asyncio.Transport) -> bool:
        return transport.is_closing() or self._stopping.is_set()


async def pause(stopping: asyncio.Event, seconds: float) -> None:
    """Wait for a while, or until the server shuts down."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)


def dripping(answer: Response, stopping: asyncio.Event, seconds: float, *, head: bool) -> Trickle:
    """Return `answer`, sent byte by byte: its body, or with `head` everything from the first byte."""
    start, body = _head(answer), bytes(answer.body)
    pieces = _bytes(start + body) if head else itertools.chain([start], _bytes(body))
    return Trickle(pieces, seconds, stopping, answer.status_code)


def endless(stopping: asyncio.Event, *, head: bool) -> Trickle:
    """Return an endless answer: a JSON string, or with `head` header after header."""
    start = b"HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=UTF-8\r\n"
    if head:
        lines = (b"X-Filler-%d: %s\r\n" % (n, _PIECE[:8000]) for n in itertools.count())
        return Trickle(itertools.chain([start], lines), _FLOOD_PAUSE, stopping, 200)
    body = itertools.repeat(_PIECE)
    opening = start + b'Connection: close\r\n\r\n{"access_token": "'
    return Trickle(itertools.chain([opening], body), _FLOOD_PAUSE, stopping, 200)


def transport_of(scope: Scope) -> asyncio.Transport:
    """Return the connection under a request.

    Raises:
        ConnectionResetError: the server does not give access to it.
    """
    transport: asyncio.Transport | None = scope.get(TRANSPORT)
    if transport is None:
        raise ConnectionResetError("The emulator closes this connection without an answer (a fault).")
    return transport


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _head(answer: Response) -> bytes:
    status = answer.status_code
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()]
    lines += [name + b": " + value for name, value in answer.raw_headers]
    return b"\r\n".join([*lines, b"connection: close", b"", b""])


def _bytes(text: bytes) -> Iterator[bytes]:
    return (text[n : n + 1] for n in range(len(text)))
