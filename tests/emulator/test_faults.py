"""Each fault, over real HTTP."""

from __future__ import annotations

import threading
import time

import httpx2
import pytest

from tests.emulator.support import Caller, FakeClock
from zoho_tokenstore.emulator import Emulator


def test_slow_delays_and_then_answers(caller: Caller) -> None:
    """slow: the answer comes, later."""
    caller.zoho.fault("token", "slow", times=1, seconds=0.2)
    start = time.monotonic()
    assert "access_token" in caller.exchange().json()
    assert time.monotonic() - start >= 0.2


def test_slow_after_counts_first(caller: Caller) -> None:
    """slow with after: the token is minted at once, only the answer takes its time."""
    caller.zoho.fault("token", "slow", seconds=30, after=True)
    with pytest.raises(httpx2.ReadTimeout):
        caller.http.post(caller.zoho.accounts_url, data=_exchange_form(caller), timeout=0.3)
    assert caller.zoho.counters().minted == 1


def test_refuse_closes_without_minting(caller: Caller) -> None:
    """refuse: the connection is closed, nothing has happened."""
    caller.zoho.fault("token", "refuse", times=1)
    with pytest.raises(httpx2.RemoteProtocolError):
        caller.exchange()
    assert caller.zoho.counters().minted == 0
    assert caller.zoho.counters().count("token", "fault:refuse") == 1


def test_drop_mints_and_closes(caller: Caller) -> None:
    """drop: the token is minted and counted, the answer is lost, and the code is spent."""
    code = caller.zoho.mint_code()
    caller.zoho.fault("token", "drop", times=1)
    with pytest.raises(httpx2.RemoteProtocolError):
        caller.exchange(code)
    counters = caller.zoho.counters()
    assert (counters.exchanges, counters.minted) == (1, 1)
    assert counters.requests["token:authorization_code"] == {"fault:drop": 1}
    assert caller.exchange(code).json() == {"error": "invalid_code"}


def test_drop_counts_towards_the_limit(caller: Caller) -> None:
    """A refresh whose answer was lost is a refresh."""
    refresh_token = caller.zoho.mint_refresh_token()
    caller.zoho.fault("token:refresh_token", "drop", times=10)
    for _ in range(10):
        with pytest.raises(httpx2.RemoteProtocolError):
            caller.refresh(refresh_token)
    assert caller.refresh(refresh_token).json()["error"] == "Access Denied"
    assert caller.zoho.counters().refreshes == 10


def test_status_is_an_outage(caller: Caller) -> None:
    """status: a 5xx with a page."""
    caller.zoho.fault("token", "status", times=1, status=502)
    answer = caller.exchange()
    assert answer.status_code == 502
    assert "access_token" not in answer.text


def test_html_instead_of_json(caller: Caller) -> None:
    """html: a page with status 200, as proxies send."""
    caller.zoho.fault("token", "html", times=1)
    answer = caller.exchange()
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("args", "status", "error"),
    [
        ({}, 400, "Access Denied"),
        ({"error": "Acceso denegado"}, 400, "Acceso denegado"),
        ({"error": "invalid_code"}, 200, "invalid_code"),
        ({"error": "invalid_client", "status": 500}, 500, "invalid_client"),
    ],
)
def test_error_of_the_accounts_server(
    caller: Caller, args: dict[str, object], status: int, error: str
) -> None:
    """error: any error in Zoho's form, with the status usual for it."""
    caller.zoho.fault("token", "error", times=1, **args)
    answer = caller.exchange()
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_error_of_the_crm(caller: Caller) -> None:
    """error on the CRM: its envelope; TOO_MANY_REQUESTS is 429 and has no Retry-After."""
    access = caller.log_in()["access_token"]
    caller.zoho.fault("crm", "error", times=1, error="TOO_MANY_REQUESTS")
    answer = caller.crm("v8/org", access)
    assert (answer.status_code, answer.json()["code"]) == (429, "TOO_MANY_REQUESTS")
    assert "retry-after" not in answer.headers


def test_body_is_sent_as_it_stands(caller: Caller) -> None:
    """body: any text, status and Content-Type."""
    caller.zoho.fault("users", "body", body="{", status=203, content_type="text/plain")
    answer = caller.crm("v8/users?type=CurrentUser", "x")
    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (203, "{", "text/plain")


def test_skew_makes_tokens_older_than_they_say(caller: Caller) -> None:
    """skew: one request sees another time; a token minted an hour ago is dead at once."""
    caller.zoho.fault("token", "skew", times=1, seconds=-3600)
    body = caller.exchange().json()
    assert body["expires_in"] == 3600
    assert caller.crm("v8/org", body["access_token"]).status_code == 401


def test_date_header_is_the_servers_time(caller: Caller, clock: FakeClock) -> None:
    """advance and skew can be seen in the Date header."""
    clock.seconds = 0.0
    caller.zoho.advance(86400)
    caller.zoho.fault("serverinfo", "skew", seconds=3600)
    answer = caller.http.get(f"{caller.zoho.url}/oauth/serverinfo")
    assert answer.headers.get_list("date") == ["Fri, 02 Jan 1970 01:00:00 GMT"]


def test_hang_never_answers(caller: Caller) -> None:
    """hang: the client's patience ends it."""
    caller.zoho.fault("token", "hang", times=1)
    with pytest.raises(httpx2.ReadTimeout):
        caller.http.post(caller.zoho.accounts_url, data=_exchange_form(caller), timeout=0.2)
    assert caller.zoho.counters().count("token", "fault:hang") == 1
    assert "access_token" in caller.exchange().json()


@pytest.mark.parametrize(("kind", "args"), [("hang", {}), ("slow", {"seconds": 60.0})])
def test_shutdown_does_not_wait_for_what_hangs(clock: FakeClock, kind: str, args: dict[str, float]) -> None:
    """The emulator stops at once, also while requests hang."""
    zoho = Emulator(clock=clock)
    zoho.start()
    caller = Caller(zoho)
    zoho.fault("token", kind, None, **args)
    waiting = threading.Thread(target=_swallow, args=(caller,))
    waiting.start()
    while not _has_arrived(zoho):
        time.sleep(0.01)
    start = time.monotonic()
    zoho.stop()
    assert time.monotonic() - start < 3
    waiting.join(5)
    caller.http.close()
    assert not waiting.is_alive()


def test_fault_reaches_its_endpoint_only(caller: Caller) -> None:
    """A kind such as token:refresh_token leaves the others alone."""
    caller.zoho.fault("token:refresh_token", "error", error="invalid_code")
    tokens = caller.log_in()
    assert caller.refresh(tokens["refresh_token"]).json() == {"error": "invalid_code"}
    caller.zoho.clear_faults()
    assert "access_token" in caller.refresh(tokens["refresh_token"]).json()


def test_fault_ends_after_its_times(caller: Caller) -> None:
    """times counts requests."""
    caller.zoho.fault("accounts", "status", times=2)
    statuses = [caller.exchange().status_code for _ in range(3)]
    assert statuses == [503, 503, 200]


def test_faults_work_together(caller: Caller) -> None:
    """slow and skew let the next fault in; the first that ends the request is the last."""
    caller.zoho.fault("token", "slow", times=1, seconds=0.01)
    caller.zoho.fault("*", "status", times=1)
    caller.zoho.fault("token", "refuse", times=1)
    assert caller.exchange().status_code == 503
    with pytest.raises(httpx2.RemoteProtocolError):
        caller.exchange()


def test_clearing_one_endpoint_leaves_the_others(caller: Caller) -> None:
    """clear_faults takes the endpoint it was set for."""
    caller.zoho.fault("token", "status")
    caller.zoho.fault("users", "status")
    caller.zoho.clear_faults("token")
    access = caller.log_in()["access_token"]
    assert caller.crm("v8/users", access).status_code == 503


@pytest.mark.parametrize(
    ("endpoint", "kind", "times", "args"),
    [
        ("nowhere", "refuse", None, {}),
        ("token", "explode", None, {}),
        ("token", "refuse", 0, {}),
        ("token", "slow", None, {"minutes": 1}),
        ("token", "slow", None, {"seconds": -1}),
        ("token", "slow", None, {"seconds": float("nan")}),
        ("token", "slow", None, {"seconds": "long"}),
        ("token", "status", None, {"status": 99}),
        ("token", "drip", None, {"pause": -1}),
        ("token", "endless", None, {"head": 1}),
        ("token", "status", None, {"token": 7}),
        ("token", "date", None, {"value": "a\r\nb"}),
        ("*", "revoke", None, {}),
        ("token", "body", None, {"content_type": "a\r\nb"}),
    ],
)
def test_impossible_faults_are_refused(
    endpoint: str, kind: str, times: int | None, args: dict[str, object]
) -> None:
    """A fault that cannot happen says so when it is set."""
    with pytest.raises(ValueError, match=" "):
        Emulator().fault(endpoint, kind, times, **args)


def _exchange_form(caller: Caller) -> dict[str, str]:
    client = caller.zoho.default_client
    return {
        "grant_type": "authorization_code",
        "client_id": client.client_id,
        "client_secret": client.client_secret,
        "code": caller.zoho.mint_code(),
    }


def _swallow(caller: Caller) -> None:
    try:
        caller.exchange()
    except httpx2.TransportError:
        return


def _has_arrived(zoho: Emulator) -> bool:
    server = zoho._server
    return server is not None and bool(server.server_state.tasks)
