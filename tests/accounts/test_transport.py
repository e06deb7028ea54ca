"""One HTTP exchange, against servers and networks of every bad kind."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from datetime import timedelta
from typing import Any

import pytest

from tests.accounts.conftest import Serve
from tests.accounts.exchanges import SECRET, SHORT, SLACK, failure, post
from tests.accounts.support import (
    Behaviour,
    RawServer,
    answering,
    hang,
    http,
    requests_under_way,
    reset,
    taking_at_most,
    wait_until,
)
from zoho_tokenstore.errors import AccountsUnavailableError
from zoho_tokenstore.renewal._connections import Line
from zoho_tokenstore.renewal._transport import MOST_BYTES, HTTPAnswer, Transport


def test_what_is_sent_and_what_comes_back(serve: Serve) -> None:
    """A form goes out under our name, once; status, body, type and the server's clock come back."""
    head = "Date: Sun, 29 Nov 2026 12:00:00 GMT\r\nRetry-After: 17\r\n"
    server = serve(answering(http({"a": 1}, 201, head=head)))
    answer = Transport(clock=lambda: 5).post(server.url + "/oauth/v2/token", {"a": "b c&d"})
    assert answer == HTTPAnswer(
        status=201,
        body=b'{"a": 1}',
        content_type="application/json;charset=UTF-8",
        date_ms=1_795_953_600_000,
        sent_ms=5,
        retry_after=17.0,
    )
    (request,) = server.requests
    request_head, _, body = request.partition(b"\r\n\r\n")
    lines = request_head.decode().split("\r\n")
    assert lines[0] == "POST /oauth/v2/token HTTP/1.1"
    assert body == b"a=b+c%26d"
    assert any(line.startswith("User-Agent: zoho-tokenstore/") for line in lines)
    assert {"Accept-Encoding: identity", "Connection: close"} <= set(lines)
    assert "Content-Type: application/x-www-form-urlencoded" in lines


def test_a_get_sends_its_headers(serve: Serve) -> None:
    """A read carries the headers given, and no form."""
    server = serve(answering(http({})))
    SHORT.get(server.url + "/x?y=z", {"Authorization": "Zoho-oauthtoken t"})
    assert server.requests[0].startswith(b"GET /x?y=z HTTP/1.1\r\n")
    assert b"\r\nAuthorization: Zoho-oauthtoken t\r\n" in server.requests[0]
    assert server.requests[0].endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("Sun, 29 Nov 2026 12:00:00 GMT", 1_795_953_600_000),
        ("Sun, 29 Nov 2026 12:00:00 -0000", 1_795_953_600_000),
        ("Sunday, 29-Nov-26 12:00:00 GMT", 1_795_953_600_000),
        ("", None),
        ("yesterday", None),
        ("Sun, 99 Nov 2026 12:00:00 GMT", None),
        ("Sun, 29 Nov 999999999999999 12:00:00 GMT", None),
        ("Sun, 29 Nov 2026 12:00:00 +999999999999", None),
        ("\x80\xff", None),
    ],
)
def test_a_date_is_read_or_is_none(serve: Serve, date: str, expected: int | None) -> None:
    """A `Date` that is none does no harm."""
    server = serve(answering(http({}, head=f"Date: {date}\r\n").replace(b"\xc2", b"")))
    assert post(server.url).date_ms == expected


@pytest.mark.parametrize("text", ["", "soon", "-1", "1e9", "Sun, 29 Nov 2026 12:00:00 GMT"])
def test_an_odd_retry_after_is_none(serve: Serve, text: str) -> None:
    """Only whole seconds are taken over."""
    server = serve(answering(http({}, 503, head=f"Retry-After: {text}\r\n")))
    assert post(server.url).retry_after is None


def dripping(data: bytes, pause: float = 0.05) -> Behaviour:
    """Send one byte after the other."""

    def behave(connection: socket.socket, server: RawServer) -> None:
        server.read_request(connection)
        for at in range(len(data)):
            if server.ended.wait(pause):
                return
            connection.sendall(data[at : at + 1])

    return behave


def stopping(data: bytes) -> Behaviour:
    """Send something, and then nothing any more."""

    def behave(connection: socket.socket, server: RawServer) -> None:
        server.read_request(connection)
        connection.sendall(data)
        server.ended.wait()

    return behave


def endless(start: bytes, block: bytes, pause: float = 0.0) -> Behaviour:
    """Send a block again and again, as long as somebody takes it."""

    def behave(connection: socket.socket, server: RawServer) -> None:
        server.read_request(connection)
        connection.sendall(start)
        while not server.ended.wait(pause):
            connection.sendall(block)

    return behave


OK = b"HTTP/1.1 200 OK\r\n"
HEAD = OK + b"Content-Type: application/json\r\n"

NEVER_DONE = {
    "hang": hang,
    "drip in the status": dripping(OK * 10),
    "drip in the headers": dripping(HEAD + b"X-A: b\r\n" * 10),
    "drip in the body": dripping(HEAD + b"Content-Length: 1000\r\n\r\n" + b" " * 1000, 0.001),
    "drip in a chunk": dripping(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3E8\r\n" + b" " * 1000, 0.001),
    "hang in the body": stopping(HEAD + b"Content-Length: 10\r\n\r\n12"),
    "continue for ever": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.001),
    "trailers for ever": endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n", 0.001),
}


@pytest.mark.parametrize("name", NEVER_DONE)
def test_a_server_that_never_ends_is_left_in_time(serve: Serve, name: str) -> None:
    """Whatever it does to hold us, the caller has an error in time, and the connection is ended."""
    server = serve(NEVER_DONE[name])
    error = failure(server.url)
    assert error.kind == "uncertain"
    assert "did not answer in time" in str(error)
    assert server.connections == 1
    assert wait_until(lambda: requests_under_way() == 0, 0.5)


BROKEN = {
    "closed": answering(b""),
    "closed in the body": answering(HEAD + b"Content-Length: 10\r\n\r\n12"),
    "closed in a chunk": answering(HEAD + b"Transfer-Encoding: chunked\r\n\r\nA\r\n12"),
    "no chunk": answering(HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n"),
    "chunk of -1": endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n", b" " * 65536),
    "no HTTP": answering(b"SSH-2.0-OpenSSH\r\n"),
    "a long line": answering(OK + b"X: " + b"x" * 100_000 + b"\r\n\r\n"),
    "many headers": answering(OK + b"X: y\r\n" * 1000 + b"\r\n"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_answer_that_is_none_leaves_the_outcome_open(serve: Serve, name: str) -> None:
    """The request was sent, and nobody knows what came of it; it is not sent again."""
    server = serve(BROKEN[name])
    error = failure(server.url)
    assert error.kind == "uncertain"
    assert "broke off" in str(error)
    assert server.connections == 1


def test_a_reset_leaves_the_outcome_open(serve: Serve) -> None:
    """The request may have arrived; nothing is sent again."""

    def behave(connection: socket.socket, server: RawServer) -> None:
        server.read_request(connection)
        reset(connection)

    server = serve(behave)
    error = failure(server.url)
    assert error.kind == "uncertain"
    assert isinstance(error.__cause__, ConnectionResetError)
    assert server.connections == 1


def test_a_reset_before_the_request(serve: Serve) -> None:
    """A connection that is reset at once may be noticed before or after the request; once, in any case."""
    server = serve(lambda connection, server: reset(connection))
    assert failure(server.url).kind in ("transient", "uncertain")
    assert server.connections == 1


@pytest.mark.parametrize(
    "start",
    [HEAD + b"\r\n", HEAD + b"Content-Length: 99999999999\r\n\r\n"],
    ids=["no length", "a long length"],
)
def test_an_endless_body_is_read_up_to_a_limit(serve: Serve, start: bytes) -> None:
    """No more than a megabyte is taken, and the answer says that it is not all."""
    server = serve(endless(start, b" " * 65536))
    answer = post(server.url, Transport(timeout=timedelta(seconds=5)))
    assert not answer.is_whole
    assert len(answer.body) == MOST_BYTES


def test_nothing_is_unpacked(serve: Serve) -> None:
    """A packed body stays as it was sent, so that none can grow."""
    packed = gzip.compress(b" " * 10_000_000)
    server = serve(answering(http(packed, head="Content-Encoding: gzip\r\n")))
    assert post(server.url).body == packed


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(serve: Serve, status: int) -> None:
    """Credentials go to nobody whom an answer names."""
    other = serve(answering(http({})))
    server = serve(answering(http({}, status, head=f"Location: {other.url}/\r\n")))
    assert post(server.url).status == status
    assert other.connections == 0


def test_nobody_listens() -> None:
    """A refused connection is certain: nothing was sent. The system's reason is the cause."""
    error = failure("http://127.0.0.1:1/")
    assert error.kind == "transient"
    assert "nothing was sent" in str(error)
    assert isinstance(error.__cause__, ConnectionRefusedError)


def test_nobody_accepts() -> None:
    """A connection that is not taken is given up in time, and nothing was sent."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        full = [socket.socket() for _ in range(4)]
        for each in full:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        assert failure(f"http://127.0.0.1:{listener.getsockname()[1]}/").kind == "transient"
        for each in full:
            each.close()


def test_a_name_that_is_looked_up_for_ever(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names have no time limit of their own. When the look-up ends at last, nothing is sent any more."""
    goes_on, real = threading.Event(), socket.getaddrinfo

    def slowly(*args: Any, **options: Any) -> Any:
        goes_on.wait(5)
        return real(*args, **options)

    server = serve(hang)
    monkeypatch.setattr(socket, "getaddrinfo", slowly)
    assert failure(server.url).kind == "transient"
    goes_on.set()
    assert wait_until(lambda: requests_under_way() == 0)
    assert server.requests == []


def test_an_unknown_name() -> None:
    """A host that does not exist is told by the system's reason."""
    error = failure("http://nobody.invalid/")
    assert error.kind == "transient"
    assert isinstance(error.__cause__, OSError)


@pytest.mark.parametrize("url", ["http://" + "a" * 300, "http://a..b", "http://127.0.0.1:99999"])
def test_an_impossible_address(url: str) -> None:
    """What cannot be connected to is an error of ours, and nothing was sent."""
    assert failure(url).kind == "transient"


def test_an_impossible_header() -> None:
    """A token that cannot be sent in a header is not sent, and not shown."""
    with pytest.raises(AccountsUnavailableError) as caught:
        SHORT.get("http://127.0.0.1:1/", {"Authorization": f"{SECRET}\r\nX: y"})
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_no_time_is_no_request(serve: Serve) -> None:
    """Without any time left there is an error at once."""
    server = serve(answering(http({})))
    for limit in (timedelta(0), timedelta(seconds=-5)):
        with taking_at_most(SLACK), pytest.raises(AccountsUnavailableError):
            Transport().within(limit).post(server.url, {})


def test_a_limit_can_only_be_lowered() -> None:
    """`within` keeps the shorter of two limits."""
    assert SHORT.within(timedelta(seconds=9)).timeout == SHORT.timeout
    assert SHORT.within(timedelta(seconds=0.1)).timeout == timedelta(seconds=0.1)


def test_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that is out of threads sends nothing."""

    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    assert failure("http://127.0.0.1:1/").kind == "transient"


def test_many_at_once(serve: Serve) -> None:
    """Requests do not wait for each other."""

    def behave(connection: socket.socket, server: RawServer) -> None:
        server.read_request(connection)
        time.sleep(0.2)
        connection.sendall(http({}))

    server = serve(behave)
    statuses: list[int] = []
    transport = Transport(timeout=timedelta(seconds=5))
    threads = [
        threading.Thread(target=lambda: statuses.append(transport.post(server.url, {}).status))
        for _ in range(8)
    ]
    with taking_at_most(1.5):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert statuses == [200] * 8


class TestLine:
    """The one connection of a request, and the moment when it is cut."""

    def test_nothing_leaves_after_the_cut(self) -> None:
        """A connection that stands too late is not used, and the caller was told that nothing was sent."""
        line = Line(lambda: 1)
        assert line.cut() is False
        with pytest.raises(ConnectionAbortedError):
            line.established()
        assert line.sent_ms is None

    def test_a_connection_that_comes_too_late_is_closed(self) -> None:
        """It is closed before any byte is sent."""
        line = Line(lambda: 1)
        line.cut()
        one, other = socket.socketpair()
        with one, other:
            with pytest.raises(ConnectionAbortedError):
                line.opened(one)
            assert other.recv(1) == b""

    def test_a_request_that_may_have_left(self) -> None:
        """Once it was established, the cut says so, and ends the connection for both sides."""
        line = Line(lambda: 7)
        one, other = socket.socketpair()
        with one, other:
            line.opened(one)
            line.established()
            assert line.cut() is True
            assert line.sent_ms == 7
            assert one.recv(1) == other.recv(1) == b""
