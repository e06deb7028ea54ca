"""From a request to an answer: faults first, then the state, then the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import formatdate

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from zoho_tokenstore.emulator._clock import skewed
from zoho_tokenstore.emulator._faults import ENDPOINTS, Fault
from zoho_tokenstore.emulator._journal import Trace
from zoho_tokenstore.emulator._randomness import label
from zoho_tokenstore.emulator._refusals import (
    API_REFUSALS,
    RefusalError,
    ThrottledError,
    oauth_refusal,
)
from zoho_tokenstore.emulator._web.bearer import bearer_token
from zoho_tokenstore.emulator._web.call import Answer, Call, read_call
from zoho_tokenstore.emulator._web.wire import Disconnect, dripping, endless, pause
from zoho_tokenstore.emulator._zoho import Zoho

_JSON = "application/json;charset=UTF-8"
_MAX_USER_AGENT = 200
_RECHECK = 0.1
_OUTAGE = "<html><head><title>Zoho</title></head><body>We are down for maintenance.</body></html>"

Handler = Callable[[Zoho, Call], Answer]
Naming = Callable[[Call], str]


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
            call = await read_call(request, self.zoho.options.public_url)
            call.trace.user_agent = call.headers.get("user-agent", "")[:_MAX_USER_AGENT]
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
        self._date: Fault | None = None

    async def run(self, handler: Handler) -> Response:
        with self._zoho.lock:
            carried = (self._call.param("refresh_token"), self._call.param("token"), bearer_token(self._call))
            faults = self._zoho.faults.take(self._kind, *(label(one) for one in carried if one))
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
            response = await self._go_wrong(fault, self._call.trace, answer)
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
            return self._refused(refusal)

    async def _go_wrong(self, fault: Fault, trace: Trace, answer: Answer | None = None) -> Response | None:
        if not fault.ends:
            await self._meddle(fault, trace)
            return None
        response = self._broken(fault, answer)
        status = 0 if isinstance(response, Disconnect) else response.status_code
        self._note(f"fault:{fault.kind}", status, trace)
        if fault.kind == "hang":
            await self._hang()
        return response

    async def _meddle(self, fault: Fault, trace: Trace) -> None:
        if fault.kind == "slow":
            await pause(self._service.stopping, fault.seconds())
        elif fault.kind == "date":
            self._date = fault
        elif fault.kind == "revoke":
            with self._zoho.lock:
                trace.revoked = self._zoho.ledger.revoke_labelled(trace.refresh_token)

    def _broken(self, fault: Fault, answer: Answer | None) -> Response:
        head = bool(fault.args.get("head"))
        if fault.kind == "endless":
            return endless(self._service.stopping, head=head)
        if fault.kind == "drip" and answer is not None:
            seconds = float(str(fault.args["pause"]))
            return dripping(self._respond(answer), self._service.stopping, seconds, head=head)
        if fault.kind == "error":
            return self._respond(self._error(fault))
        if fault.kind == "body":
            headers = {"Content-Type": str(fault.args["content_type"])}
            return self._stamp(Response(str(fault.args["body"]), fault.status(200), headers))
        if fault.kind in ("html", "status"):
            return self._stamp(HTMLResponse(_OUTAGE, fault.status(503)))
        return Disconnect()

    def _error(self, fault: Fault) -> Answer:
        apis = (API_REFUSALS[one] for one in ENDPOINTS.get(self._kind, ()) if one in API_REFUSALS)
        refusal = next(apis, oauth_refusal)
        return self._refused(refusal(str(fault.args["error"]), fault.status(0) or None))

    def _refused(self, refusal: RefusalError) -> Answer:
        is_throttled, options = isinstance(refusal, ThrottledError), self._zoho.options
        usual = options.throttle_status if is_throttled else options.error_status
        return Answer(refusal.status or usual, json=refusal.body, outcome=refusal.name)

    async def _hang(self) -> None:
        stopping = self._service.stopping
        while not (stopping.is_set() or await self._request.is_disconnected()):
            await pause(stopping, _RECHECK)

    def _note(self, outcome: str, status: int, trace: Trace) -> None:
        with self._zoho.lock:
            self._zoho.journal.write(self._kind, outcome, status, self._zoho.clock.now(), trace)

    def _respond(self, answer: Answer) -> Response:
        return self._stamp(_response(answer))

    def _stamp(self, response: Response) -> Response:
        usual = formatdate(self._zoho.clock.now(), usegmt=True)
        date = usual if self._date is None else self._date.args["value"]
        if date is not None:
            response.headers["Date"] = str(date)
        response.headers["Cache-Control"] = "no-store"
        return response


def _response(answer: Answer) -> Response:
    if answer.location is not None:
        return RedirectResponse(answer.location, 302)
    if answer.page is not None:
        return HTMLResponse(answer.page, answer.status)
    if answer.json is not None:
        return JSONResponse(answer.json, answer.status, media_type=_JSON)
    return Response(status_code=answer.status)
