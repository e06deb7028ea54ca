"""From a request to an answer: faults first, then the state, then the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import formatdate

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from zoho_tokenstore.emulator.clock import skewed
from zoho_tokenstore.emulator.faults import ENDPOINTS, Fault
from zoho_tokenstore.emulator.journal import Trace
from zoho_tokenstore.emulator.refusals import (
    THROTTLED,
    RefusalError,
    ThrottledError,
    crm_refusal,
    oauth_refusal,
)
from zoho_tokenstore.emulator.web.call import Answer, Call, TooLargeError, read_call
from zoho_tokenstore.emulator.zoho import Zoho

TRANSPORT = "zoho_tokenstore.emulator.transport"
_JSON = "application/json;charset=UTF-8"
_OUTAGE = "<html><head><title>Zoho</title></head><body>We are down for maintenance.</body></html>"

Handler = Callable[[Zoho, Call], Answer]
Naming = Callable[[Call], str]


class Disconnect(Response):
    """Closes the connection without an answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Abort the server's transport, where the server lets us at it."""
        transport = scope.get(TRANSPORT)
        if transport is None:
            raise ConnectionResetError("The emulator closes this connection without an answer (a fault).")
        transport.abort()
        while (await receive())["type"] != "http.disconnect":
            pass


@dataclass(frozen=True, slots=True)
class Service:
    """What the endpoints share.

    Args:
        zoho: the state.
        stopping: set when the server shuts down, so that nothing waits any longer.
    """

    zoho: Zoho
    stopping: asyncio.Event

    def endpoint(self, naming: str | Naming, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """Return an endpoint of the web framework, of a fixed or a computed kind."""

        async def answer(request: Request) -> Response:
            try:
                call = await read_call(request, self.zoho.options.public_url)
            except TooLargeError:
                return Response(status_code=413)
            kind = naming if isinstance(naming, str) else naming(call)
            return await _Turn(self, request, call, kind).run(handler)

        return answer


class _Turn:
    """One request on its way."""

    def __init__(self, service: Service, request: Request, call: Call, kind: str) -> None:
        self._service = service
        self._zoho = service.zoho
        self._request = request
        self._call = call
        self._kind = kind

    async def run(self, handler: Handler) -> Response:
        with self._zoho.lock:
            faults = self._zoho.faults.take(self._kind)
        with skewed(sum(fault.seconds() for fault in faults if fault.kind == "skew")):
            for fault in faults:
                if fault.kind != "skew" and not fault.after:
                    response = await self._go_wrong(fault, self._call.trace)
                    if response is not None:
                        return response
            return await self._carry_out(handler, [fault for fault in faults if fault.after])

    async def _carry_out(self, handler: Handler, late: list[Fault]) -> Response:
        answer = self._answer(handler)
        for fault in late:
            response = await self._go_wrong(fault, self._call.trace)
            if response is not None:
                return response
        self._note(answer.outcome, answer.status, self._call.trace)
        return self._respond(answer)

    def _answer(self, handler: Handler) -> Answer:
        try:
            with self._zoho.lock:
                return handler(self._zoho, self._call)
        except RefusalError as refusal:
            self._call.trace.denied = isinstance(refusal, ThrottledError)
            return Answer(refusal.status, json=refusal.body, outcome=refusal.name)

    async def _go_wrong(self, fault: Fault, trace: Trace) -> Response | None:
        if fault.kind == "slow":
            await self._pause(fault.seconds())
            return None
        response = await self._broken(fault)
        status = 0 if isinstance(response, Disconnect) else response.status_code
        self._note(f"fault:{fault.kind}", status, trace)
        if fault.kind == "hang":
            await self._hang()
        return response

    async def _broken(self, fault: Fault) -> Response:
        if fault.kind == "error":
            return self._respond(self._error(fault))
        if fault.kind == "body":
            media_type = str(fault.args["content_type"])
            return self._stamp(_raw(str(fault.args["body"]), fault.status(200), media_type))
        if fault.kind in ("html", "status"):
            return self._stamp(HTMLResponse(_OUTAGE, fault.status(503)))
        return Disconnect()

    def _error(self, fault: Fault) -> Answer:
        name, options = str(fault.args["error"]), self._zoho.options
        if "crm" in ENDPOINTS.get(self._kind, ()):
            refusal = crm_refusal(name, fault.status(0) or None)
        else:
            usual = options.throttle_status if name == THROTTLED else options.error_status
            refusal = oauth_refusal(name, fault.status(usual))
        return Answer(refusal.status, json=refusal.body)

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._service.stopping.wait(), seconds)
        except TimeoutError:
            return

    async def _hang(self) -> None:
        waits = [
            asyncio.ensure_future(self._service.stopping.wait()),
            asyncio.ensure_future(_client_gone(self._request)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    def _note(self, outcome: str, status: int, trace: Trace) -> None:
        with self._zoho.lock:
            self._zoho.journal.write(self._kind, outcome, status, self._zoho.clock.now(), trace)

    def _respond(self, answer: Answer) -> Response:
        return self._stamp(_response(answer))

    def _stamp(self, response: Response) -> Response:
        response.headers["Date"] = formatdate(self._zoho.clock.now(), usegmt=True)
        response.headers["Cache-Control"] = "no-store"
        return response


async def _client_gone(request: Request) -> None:
    while not await request.is_disconnected():
        await asyncio.sleep(0.1)


def _response(answer: Answer) -> Response:
    if answer.location is not None:
        return RedirectResponse(answer.location, 302)
    if answer.page is not None:
        return HTMLResponse(answer.page, answer.status)
    if answer.json is not None:
        return JSONResponse(answer.json, answer.status, media_type=_JSON)
    return Response(status_code=answer.status)


def _raw(body: str, status: int, content_type: str) -> Response:
    response = Response(body, status)
    response.headers["Content-Type"] = content_type
    return response
