"""A request whose token is refused is sent again if its body can be read again; else nothing is."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import requests

from tests.accounts.support import RawServer
from tests.auth.support import ASYNC, CLIENTS, SYNC, Call, Site, refusing

BODY = b"a lead, " * 20_000


@pytest.fixture
def server(site: Site) -> Iterator[RawServer]:
    """It refuses the token that is stored."""
    with RawServer(refusing(site.login.access_token or "")) as running:
        yield running


class Pipe(io.BytesIO):
    """What can be read once."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise io.UnsupportedOperation

    tell = fileno = seek


def _pieces() -> Iterator[bytes]:
    yield b"a lead"


async def _async_pieces() -> AsyncIterator[bytes]:
    yield b"a lead"


AGAIN: dict[str, Callable[[], dict[str, Any]]] = {
    "bytes": lambda: {"content": BODY},
    "json": lambda: {"json": {"data": [{"Last_Name": "Kumar"}]}},
    "form": lambda: {"data": {"JSONString": "{}"}},
    "bytes of a file": lambda: {"files": {"file": ("lead.csv", BODY, "text/csv")}},
    "a file": lambda: {"files": {"file": ("lead.csv", io.BytesIO(BODY), "text/csv")}, "data": {"a": "b"}},
}


@pytest.mark.parametrize("options", AGAIN.values(), ids=AGAIN)
def test_a_body_that_can_be_read_again_is_sent_again(
    site: Site, server: RawServer, call: Call, options: Callable[[], dict[str, Any]]
) -> None:
    """Whole, and the same."""
    assert call(site.auth, "POST", server.url, **options()).status_code == 200
    first, second = (request.partition(b"\r\n\r\n")[2] for request in server.requests)
    assert first == second != b""
    assert site.renewals == 1


def test_a_file_is_uploaded_again(site: Site, server: RawServer, call: Call, tmp_path: Path) -> None:
    """From a disk, as a form."""
    (tmp_path / "lead.csv").write_bytes(BODY)
    with (tmp_path / "lead.csv").open("rb") as file:
        assert call(site.auth, "POST", server.url, files={"file": file}).status_code == 200
    assert [BODY in request for request in server.requests] == [True, True]


def test_requests_rewinds_a_file_to_where_it_was(site: Site, server: RawServer, tmp_path: Path) -> None:
    """A body that is a file, which requests streams, from the middle on."""
    (tmp_path / "lead.csv").write_bytes(b"head" + BODY)
    with (tmp_path / "lead.csv").open("rb") as file:
        file.seek(4)
        assert CLIENTS["requests"](site.auth, "POST", server.url, content=file).status_code == 200
    assert [request.partition(b"\r\n\r\n")[2] for request in server.requests] == [BODY, BODY]


def _check_left_alone(site: Site, server: RawServer, answer: Any) -> None:
    """The 401 is the caller's; but the next call gets a new token."""
    assert answer.status_code == 401
    assert answer.json()["code"] == "INVALID_TOKEN"
    assert len(server.requests) == 1
    assert site.renewals == 0
    assert site.stored().expires_at_ms == 0
    assert CLIENTS["httpx2"](site.auth, "GET", server.url).status_code == 200
    assert site.renewals == 1


@pytest.mark.parametrize("name", SYNC)
def test_a_generator_is_not_sent_again(site: Site, server: RawServer, name: str) -> None:
    """It is spent."""
    _check_left_alone(site, server, SYNC[name](site.auth, "POST", server.url, content=_pieces()))


@pytest.mark.parametrize("name", ASYNC)
def test_an_async_generator_is_not_sent_again(site: Site, server: RawServer, name: str) -> None:
    """It is spent."""
    _check_left_alone(site, server, ASYNC[name](site.auth, "POST", server.url, content=_async_pieces()))


@pytest.mark.parametrize("name", ["httpx2", "httpx"])
def test_a_form_with_a_pipe_is_not_sent_again(site: Site, server: RawServer, name: str) -> None:
    """One of the files cannot be rewound: it would be empty."""
    files = {"file": Pipe(b"a lead"), "other": io.BytesIO(BODY)}
    answer = SYNC[name](site.auth, "POST", server.url, files=files)
    _check_left_alone(site, server, answer)


def test_an_open_file_of_httpx_is_not_sent_again(site: Site, server: RawServer) -> None:
    """httpx reads it to its end, and does not say where it began."""
    answer = SYNC["httpx2"](site.auth, "POST", server.url, content=io.BytesIO(b"a lead"))
    _check_left_alone(site, server, answer)


@pytest.mark.parametrize("name", CLIENTS)
def test_an_api_that_refuses_every_body_uses_up_no_ones_renewals(site: Site, name: str) -> None:
    """Whether a new token would help is never tried: others need the ten tokens in ten minutes."""
    with RawServer(refusing()) as server:
        for _ in range(4):
            pieces = _async_pieces() if name in ASYNC else _pieces()
            assert CLIENTS[name](site.auth, "POST", server.url, content=pieces).status_code == 401
    assert site.renewals == 1


def test_a_request_that_was_sent_before_is_sent_again(site: Site, server: RawServer) -> None:
    """With the same dead token as one that could not be: its renewal costs no further one."""
    request = httpx2.Request("GET", server.url)
    flow = site.auth.sync_auth_flow(request)
    next(flow)
    assert SYNC["httpx2"](site.auth, "POST", server.url, content=_pieces()).status_code == 401
    again = flow.send(httpx2.Response(401, request=request))
    assert again.headers["Authorization"] == f"Zoho-oauthtoken {site.stored().access_token}"
    assert site.renewals == 1


def test_the_answer_can_still_be_streamed(site: Site, server: RawServer) -> None:
    """A refusal is read to its end to see what it says; what comes after is not."""
    with requests.Session() as session:
        session.trust_env = False
        with session.post(server.url, b"a lead", auth=site.auth, stream=True, timeout=20) as answer:
            assert answer.raw.read() == b"a lead"
