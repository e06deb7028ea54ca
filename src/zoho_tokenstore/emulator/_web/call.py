"""A request and its answer, free of the web framework."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.types import Message, Receive

from zoho_tokenstore.emulator._journal import Trace

_HOST = re.compile(r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?$")
_MAX_BODY = 5_000_000


class TooLargeError(Exception):
    """A body larger than the emulator reads."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request, read completely."""

    method: str
    base_url: str
    query: Mapping[str, str]
    form: Mapping[str, str]
    body: bytes
    headers: Mapping[str, str]
    path: Mapping[str, str]
    trace: Trace = field(default_factory=Trace)

    def param(self, name: str) -> str | None:
        """Return a parameter of the form body, or otherwise of the query string."""
        return self.form.get(name, self.query.get(name))


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send: a JSON body, a page, a redirect, or nothing but a status."""

    status: int = 200
    json: Mapping[str, object] | None = None
    page: str | None = None
    location: str | None = None
    outcome: str = "ok"


def limited(receive: Receive) -> Receive:
    """Return `receive` for a body of at most 5 MB; beyond that it raises `TooLargeError`."""
    left = _MAX_BODY

    async def receive_part() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise TooLargeError
        return message

    return receive_part


async def read_call(request: Request, public_url: str | None) -> Call:
    """Read a request to its end."""
    body = await request.body()  # before the form, which is parsed from it
    return Call(
        request.method,
        public_url.rstrip("/") if public_url else base_url(request),
        dict(request.query_params),
        await _read_form(request),
        body,
        request.headers,
        {name: str(value) for name, value in request.path_params.items()},
    )


def base_url(request: Request) -> str:
    """Return the address under which the client reached the emulator, without a trailing slash."""
    host = request.headers.get("host", "")
    if not _HOST.match(host):
        address, port = request.scope.get("server") or ("127.0.0.1", None)
        host = f"{address}:{port}" if port else str(address)
    return f"{request.scope.get('scheme', 'http')}://{host}"


async def _read_form(request: Request) -> dict[str, str]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("application/x-www-form-urlencoded", "multipart/form-data"):
        return {}
    async with request.form(max_files=0, max_fields=100) as form:
        return {name: value for name, value in form.items() if isinstance(value, str)}
