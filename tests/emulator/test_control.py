"""The control endpoints, for other processes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import pytest

from tests.emulator.support import Caller, FakeClock
from zoho_tokenstore.emulator import Emulator


def test_mint_a_code_like_a_self_client(caller: Caller) -> None:
    """A code for a client, a user and scopes."""
    user = caller.zoho.default_users[1]
    body = {
        "client_id": caller.zoho.default_client.client_id,
        "user": user.email,
        "scopes": ["ZohoCRM.org.READ"],
    }
    code = caller.control("POST", "/codes", body).json()["code"]
    assert caller.exchange(code).json()["scope"] == "ZohoCRM.org.READ"


def test_add_client_and_user(caller: Caller) -> None:
    """Both can be used at once."""
    client = caller.control("POST", "/clients", {"redirect_uris": ["https://a.example/cb"]}).json()
    user = caller.control("POST", "/users", {"email": "mia@a.example", "organization": "A"}).json()
    assert user["user_name"] == f"mia@a.example:{user['zgid']}"
    body = {"client_id": client["client_id"], "user": "mia@a.example"}
    token = caller.control("POST", "/refresh-tokens", body).json()["refresh_token"]
    form = {"client_id": client["client_id"], "client_secret": client["client_secret"]}
    assert "access_token" in caller.refresh(token, **form).json()


def test_faults_over_http(caller: Caller) -> None:
    """Set, list and clear."""
    standing = caller.control("POST", "/faults", {"endpoint": "token", "kind": "slow", "seconds": 0}).json()
    assert standing == {
        "faults": [{"endpoint": "token", "kind": "slow", "times": None, "seconds": 0, "after": False}]
    }
    assert caller.control("GET", "/faults").json() == standing
    assert caller.control("DELETE", "/faults").json() == {"faults": []}


def test_expire_clock_live_and_reset(caller: Caller) -> None:
    """Everything a test does to the server can be done over HTTP."""
    tokens = caller.log_in()
    email = caller.zoho.default_users[0].email
    assert caller.control("POST", "/live", {"token": tokens["access_token"]}).json() == {"live": True}
    assert caller.control("POST", "/expire", {"user": email}).json() == {"expired": 1}
    assert caller.control("POST", "/live", {"token": tokens["access_token"]}).json() == {"live": False}
    now = caller.control("GET", "/").json()["now"]
    assert caller.control("POST", "/clock", {"advance": 60}).json() == {"now": now + 60}
    assert caller.control("POST", "/reset").json() == {"now": now}


def test_counters_and_journal_over_http(caller: Caller) -> None:
    """The same numbers as in Python."""
    caller.log_in()
    assert caller.control("GET", "/counters").json() == asdict(caller.zoho.counters())
    entries = caller.control("GET", "/journal?endpoint=token:authorization_code&after=0").json()["entries"]
    assert entries == [asdict(entry) for entry in caller.zoho.journal()]


def test_overview_has_no_secret(caller: Caller) -> None:
    """Clients are listed by id."""
    answer = caller.control("GET", "/")
    assert caller.zoho.default_client.client_id in answer.text
    assert caller.zoho.default_client.client_secret not in answer.text


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/codes", {"user": "nobody@a.example"}),
        ("/codes", {}),
        ("/codes", {"user": 7}),
        ("/codes", {"user": "patricia@zylker.example", "scopes": "one"}),
        ("/codes", {"user": "patricia@zylker.example", "access_type": "often"}),
        ("/faults", {"endpoint": "token", "kind": "explode"}),
        ("/faults", {"endpoint": "token", "kind": "slow", "times": "x"}),
        ("/clock", {"advance": "tomorrow"}),
        ("/clock", {"advance": 1e12}),
        ("/clock", ["a list"]),
    ],
)
def test_what_cannot_be_done_is_400_with_a_reason(caller: Caller, path: str, body: object) -> None:
    """A sentence says what is wrong."""
    answer = caller.control("POST", path, body)
    assert answer.status_code == 400
    assert len(answer.json()["error"]) > 10


def test_form_of_a_foreign_page_is_refused(caller: Caller) -> None:
    """A browser sends forms anywhere, but JSON only after asking: only JSON is accepted."""
    answer = caller.http.post(f"{caller.zoho.url}/_emulator/reset", data={"a": "b"})
    assert answer.status_code == 400


def test_foreign_host_name_is_refused(caller: Caller) -> None:
    """A loopback address under a foreign name (DNS rebinding) has no control."""
    answer = caller.http.get(f"{caller.zoho.url}/_emulator/counters", headers={"Host": "evil.example"})
    assert answer.status_code == 403


def test_malformed_host_is_refused(caller: Caller) -> None:
    """A Host header that is none has no control either."""
    answer = caller.http.get(f"{caller.zoho.url}/_emulator/counters", headers={"Host": "["})
    assert answer.status_code == 400


@pytest.fixture
def closed(clock: FakeClock) -> Iterator[Caller]:
    """A caller of an emulator without control endpoints."""
    with Emulator(clock=clock, control="nobody") as zoho:
        caller = Caller(zoho)
        with caller.http:
            yield caller


def test_control_can_be_closed(closed: Caller) -> None:
    """With control=nobody there is none over HTTP; Python still has it."""
    assert closed.control("GET", "/counters").status_code == 403
    assert closed.zoho.counters().minted == 0


def test_forwarded_headers_do_not_make_a_client_local() -> None:
    """Only the peer's own address counts: uvicorn is told to ignore X-Forwarded-For."""
    assert Emulator()._config().proxy_headers is False
