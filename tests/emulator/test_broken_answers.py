"""Answers that drip, never end, or tell a wrong time; over real HTTP."""

from __future__ import annotations

import asyncio
import socket
import time
from datetime import timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.emulator.support import Caller, FakeClock
from zoho_tokenstore.emulator import Emulator


@pytest.mark.parametrize("head", [False, True])
def test_dripping_answer_is_genuine_and_slow(caller: Caller, head: bool) -> None:
    """drip: the answer comes byte by byte, its head too where asked for, and the token in it works."""
    caller.zoho.fault("token", "drip", times=1, pause=0.001, head=head)
    start = time.monotonic()
    answer = caller.exchange()
    body = answer.json()
    assert time.monotonic() - start >= 0.001 * len(answer.content)
    assert caller.crm("v8/org", body["access_token"]).status_code == 200
    assert caller.zoho.counters().requests["token:authorization_code"] == {"fault:drip": 1}


@pytest.mark.parametrize("head", [False, True])
def test_dripping_never_trips_a_time_limit_for_one_read(caller: Caller, head: bool) -> None:
    """drip: something arrives every 50 ms, and only a limit on the whole request ends it."""
    caller.zoho.fault("token", "drip", pause=0.05, head=head)
    with _request(caller.zoho) as connection:
        connection.settimeout(1)
        start, received = time.monotonic(), b""
        while time.monotonic() - start < 1.5:
            received += connection.recv(65_536)
    assert received.startswith(b"HTTP")
    assert (b"\r\n\r\n" in received) is not head
    assert b"expires_in" not in received


def test_error_drips_too(caller: Caller) -> None:
    """drip: whatever the answer would have been, with its status."""
    caller.zoho.fault("org", "drip", pause=0)
    answer = caller.crm("v8/org", "unknown")
    assert (answer.status_code, answer.json()["code"]) == (401, "INVALID_TOKEN")


@pytest.mark.parametrize("head", [False, True])
def test_endless_answer_does_not_end(caller: Caller, head: bool) -> None:
    """endless: megabytes of a body or of headers, until the client closes; others are served meanwhile."""
    caller.zoho.fault("token", "endless", times=1, head=head)
    with _request(caller.zoho) as connection:
        received = b""
        while len(received) < 300_000:
            piece = connection.recv(65_536)
            assert piece
            received += piece
        assert (b"\r\n\r\n" in received) is not head
        assert "access_token" in caller.exchange().json()
    assert caller.zoho.counters().count("token", "fault:endless") == 1
    assert caller.zoho.counters().minted == 1


def test_endless_answer_after_the_request_was_carried_out(caller: Caller) -> None:
    """endless with after: the token is minted, and never told."""
    caller.zoho.fault("token", "endless", times=1, after=True)
    with _request(caller.zoho, code=caller.zoho.mint_code()) as connection:
        assert connection.recv(10)
    assert caller.zoho.counters().minted == 1


@pytest.mark.parametrize(("kind", "args"), [("endless", {}), ("drip", {"pause": 60.0})])
def test_shutdown_does_not_wait_for_a_trickle(clock: FakeClock, kind: str, args: dict[str, float]) -> None:
    """The emulator stops at once, also while somebody reads what does not end, or does not read it."""
    zoho = Emulator(clock=clock)
    zoho.start()
    zoho.fault("token", kind, None, **args)
    with _request(zoho) as connection:
        assert connection.recv(10)
        start = time.monotonic()
        zoho.stop()
        assert time.monotonic() - start < 3


def test_client_that_does_not_read_fills_no_memory(caller: Caller) -> None:
    """endless: once the connection is full, the emulator writes no more."""
    caller.zoho.fault("token", "endless", times=1)
    with _request(caller.zoho) as connection:
        assert connection.recv(10)
        deadline = time.monotonic() + 20
        while _unsent(caller.zoho) < 1_000_000 and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1)
        assert 1_000_000 < _unsent(caller.zoho) < 2_000_000


@pytest.mark.parametrize("minutes", [-10, 10])
def test_clock_of_the_server_can_be_off(clock: FakeClock, minutes: int) -> None:
    """clock_offset: the Date header is off from this host's clock, and all lifetimes follow it."""
    with Emulator(clock=clock, clock_offset=timedelta(minutes=minutes)) as zoho:
        caller = Caller(zoho)
        with caller.http:
            answer = caller.exchange()
            told = parsedate_to_datetime(answer.headers["date"]).timestamp()
            assert told - clock.seconds == minutes * 60
            access = answer.json()["access_token"]
            clock.seconds += 3599
            assert zoho.is_live(access)
            clock.seconds += 1
            assert not zoho.is_live(access)
            zoho.advance(5)
            zoho.reset()
            assert zoho.now() - clock.seconds == minutes * 60


@pytest.mark.parametrize(("value", "told"), [(None, None), ("yesterday", "yesterday")])
def test_date_header_can_be_missing_or_senseless(caller: Caller, value: str | None, told: str | None) -> None:
    """date: any text in the header, or no header; the answer is right otherwise."""
    caller.zoho.fault("token", "date", times=1, value=value)
    answer = caller.exchange()
    assert answer.headers.get("date") == told
    assert "access_token" in answer.json()
    assert parsedate_to_datetime(caller.exchange().headers["date"])


def test_other_servers_are_told_that_this_needs_uvicorn() -> None:
    """Without the server's transport: ConnectionResetError, as for the faults that close a connection."""
    zoho = Emulator()
    transport = httpx2.ASGITransport(app=zoho._app)
    zoho.fault("*", "endless")

    async def call() -> None:
        async with httpx2.AsyncClient(transport=transport, base_url="http://zoho") as http:
            await http.get("/oauth/serverinfo")

    with pytest.raises(ConnectionResetError, match="closes this connection"):
        asyncio.run(call())


def _unsent(zoho: Emulator) -> int:
    server = zoho._server
    assert server is not None
    return max(one.transport.get_write_buffer_size() for one in server.server_state.connections)


def _request(zoho: Emulator, code: str | None = None) -> socket.socket:
    client = zoho.default_client
    form = (
        f"grant_type=authorization_code&client_id={client.client_id}"
        f"&client_secret={client.client_secret}&code={code or zoho.mint_code()}"
    )
    connection = socket.create_connection(("127.0.0.1", urlsplit(zoho.url).port or 0), timeout=5)
    connection.sendall(
        b"POST /oauth/v2/token HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n"
        + f"Content-Length: {len(form)}\r\n\r\n{form}".encode()
    )
    return connection
