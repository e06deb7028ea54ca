"""A proxy between a backend and AWS, where answers get lost, are replaced, or come after something else."""

from __future__ import annotations

import http.client
import json
import threading
import uuid
from collections import defaultdict, deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit


class Reply(NamedTuple):
    """What a client is answered."""

    status: int
    headers: dict[str, str]
    body: bytes


Forward = Callable[[], Reply]
Step = Callable[[Forward], "Reply | None"]
"""What is done with one request; without a reply the connection is closed."""


def lose(forward: Forward) -> None:
    """AWS does what it is asked, and the answer is lost."""
    forward()


def swallow(forward: Forward) -> None:
    """The request is lost."""


def refuse(code: str, message: str = "", status: int = 400, **extra: Any) -> Step:
    """Answer with an error in the place of AWS."""
    told = {"__type": f"com.amazonaws.example#{code}", "message": message or f"This is {code}.", **extra}
    return lambda forward: _json(told, status)


def cancel(*codes: str, message: str = "") -> Step:
    """Cancel a transaction for these reasons."""
    reasons = [{"Code": code, "Message": message} for code in codes]
    return refuse("TransactionCanceledException", CancellationReasons=reasons)


def page(text: str, status: int = 200) -> Step:
    """Answer with a page that is not AWS's."""
    return lambda forward: Reply(status, {"Content-Type": "text/html"}, text.encode())


def before(work: Callable[[], object]) -> Step:
    """Let something else happen before AWS is asked."""

    def step(forward: Forward) -> Reply:
        work()
        return forward()

    return step


def after(work: Callable[[], object]) -> Step:
    """Let something else happen before AWS's answer is passed on."""

    def step(forward: Forward) -> Reply:
        reply = forward()
        work()
        return reply

    return step


class Between:
    """The proxy. `script` says what happens to the next requests of an operation; the others pass."""

    def __init__(self, upstream: str) -> None:
        self.seen: list[str] = []
        self.tokens: list[str] = []
        """The ``ClientRequestToken`` of each request that has one."""
        self._upstream = urlsplit(upstream)
        self._steps: defaultdict[str, deque[Step]] = defaultdict(deque)
        self._always: dict[str, Step] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def __enter__(self) -> Between:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def script(self, operation: str, *steps: Step) -> None:
        """Do this with the next requests of an operation, one step each."""
        self._steps[operation].extend(steps)

    def always(self, step: Step, *operations: str) -> None:
        """Do this with every request of these operations, or of all."""
        for operation in operations or ("",):
            self._always[operation] = step

    def step_for(self, operation: str) -> Step:
        steps = self._steps[operation]
        if steps:
            return steps.popleft()
        return self._always.get(operation) or self._always.get("") or (lambda forward: forward())

    def forward(self, headers: dict[str, str], body: bytes) -> Reply:
        connection = http.client.HTTPConnection(
            self._upstream.hostname or "", self._upstream.port, timeout=30
        )
        try:
            connection.request("POST", "/", body, headers)
            answer = connection.getresponse()
            return Reply(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        between = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                operation = self.headers["X-Amz-Target"].rpartition(".")[2]
                between.seen.append(operation)
                between.tokens += [token] if (token := json.loads(body).get("ClientRequestToken")) else []
                headers = dict(self.headers)
                reply = between.step_for(operation)(lambda: between.forward(headers, body))
                if reply is not None:
                    self._send(reply)

            def _send(self, reply: Reply) -> None:
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    if name.lower() not in (
                        "content-length",
                        "connection",
                        "date",
                        "server",
                        "transfer-encoding",
                    ):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                """Say nothing."""

        return Handler


def _json(content: dict[str, Any], status: int) -> Reply:
    headers = {"Content-Type": "application/x-amz-json-1.0", "x-amzn-RequestId": str(uuid.uuid4())}
    return Reply(status, headers, json.dumps(content).encode())
