"""Books, Desk and Office Integrator beside the CRM, and refusals on demand."""

from __future__ import annotations

import httpx2
import pytest

from tests.emulator.support import Caller, FakeClock
from zoho_tokenstore.emulator import Emulator, label

APIS = {
    "books": ("/books/v3/organizations", "ZohoBooks.settings.READ"),
    "desk": ("/api/v1/tickets", "Desk.tickets.READ"),
    "office": ("/api/v1/plan", ""),
    "crm": ("/crm/v8/org", "ZohoCRM.org.READ"),
}
EVERY_API = pytest.mark.parametrize("api", list(APIS))


def call(caller: Caller, api: str, access_token: str) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {access_token}"} if access_token else {}
    return caller.http.get(f"{caller.zoho.url}{APIS[api][0]}", headers=headers)


@EVERY_API
def test_default_login_may_call_every_api(caller: Caller, api: str) -> None:
    """One token, four services."""
    assert call(caller, api, caller.log_in()["access_token"]).status_code == 200


def test_answers_are_of_the_tokens_user(caller: Caller) -> None:
    """Books tells the organisation, Desk a ticket."""
    user = caller.zoho.default_users[1]
    access = caller.log_in(user)["access_token"]
    books, desk = (call(caller, api, access).json() for api in ("books", "desk"))
    assert books["code"] == 0
    assert [one["organization_id"] for one in books["organizations"]] == [user.zgid]
    assert [one["email"] for one in desk["data"]] == [user.email]


@pytest.mark.parametrize(
    ("api", "access_token", "body"),
    [
        ("books", "", {"code": 14, "message": "Invalid value passed for authtoken."}),
        ("books", "dead", {"code": 57, "message": "You are not authorized to perform this operation"}),
        (
            "desk",
            "",
            {
                "errorCode": "UNAUTHORIZED",
                "message": "You are not authenticated to perform this operation.",
            },
        ),
        (
            "desk",
            "dead",
            {"errorCode": "INVALID_OAUTH", "message": "The OAuth Token you provided is invalid."},
        ),
    ],
)
def test_refusals_have_each_apis_own_shape(
    caller: Caller, api: str, access_token: str, body: dict[str, object]
) -> None:
    """401 without a token and with a dead one; counted under the CRM's names."""
    answer = call(caller, api, access_token)
    assert (answer.status_code, answer.json()) == (401, body)
    name = "INVALID_TOKEN" if access_token else "AUTHENTICATION_FAILURE"
    assert caller.zoho.counters().count(api, name) == 1


@pytest.mark.parametrize(("api", "status"), [("books", 401), ("desk", 403), ("crm", 401)])
def test_scopes_of_each_api(caller: Caller, api: str, status: int) -> None:
    """Another service's scope does not do; its own does."""
    own = APIS[api][1]
    others = [scope for _, scope in APIS.values() if scope not in ("", own)]
    statuses = [
        call(caller, api, caller.log_in(scopes=s)["access_token"]).status_code for s in (others, [own])
    ]
    assert statuses == [status, 200]


def test_scope_check_can_be_off(clock: FakeClock) -> None:
    """check_scopes=False: every token may do everything."""
    with Emulator(clock=clock, check_scopes=False) as zoho:
        caller = Caller(zoho)
        with caller.http:
            access = caller.log_in(scopes=["ZohoMail.messages.READ"])["access_token"]
            assert {call(caller, api, access).status_code for api in APIS} == {200}


@pytest.mark.parametrize(("path", "body"), [("books/v3/x", {"code": 5}), ("api/v1/x", {})])
def test_unknown_paths(caller: Caller, path: str, body: dict[str, object]) -> None:
    """404 in the API's shape."""
    answer = caller.http.get(f"{caller.zoho.url}/{path}")
    assert answer.status_code == 404
    assert body.items() <= answer.json().items()


@EVERY_API
@pytest.mark.parametrize("error", ["INVALID_TOKEN", "AUTHENTICATION_FAILURE"])
def test_401_on_demand(caller: Caller, api: str, error: str) -> None:
    """error: a good token is refused for as many requests as asked, as if it were not."""
    access = caller.log_in()["access_token"]
    caller.zoho.fault("api", "error", times=2, error=error)
    assert [call(caller, api, access).status_code for _ in range(3)] == [401, 401, 200]


def test_other_errors_on_demand_name_themselves(caller: Caller) -> None:
    """What Books and Desk have no known shape for is sent by its name."""
    caller.zoho.fault("api", "error", error="TOO_MANY_REQUESTS")
    books, desk = (call(caller, api, "x") for api in ("books", "desk"))
    assert (books.status_code, books.json()["message"]) == (429, "TOO_MANY_REQUESTS")
    assert (desk.status_code, desk.json()["errorCode"]) == (429, "TOO_MANY_REQUESTS")


@pytest.mark.parametrize("by_label", [False, True])
def test_fault_for_one_access_token(caller: Caller, by_label: bool) -> None:
    """token: only requests with this token go wrong; the token itself is told nowhere."""
    first, second = (caller.log_in()["access_token"] for _ in range(2))
    fault = caller.zoho.fault(
        "api", "error", token=label(first) if by_label else first, error="INVALID_TOKEN"
    )
    assert [call(caller, "desk", one).status_code for one in (first, second, first)] == [401, 200, 401]
    assert first not in repr(fault)


def test_fault_for_one_refresh_token(caller: Caller) -> None:
    """token: one user's refresh fails, the others' work."""
    first, second = (caller.zoho.mint_refresh_token() for _ in range(2))
    caller.zoho.fault("token", "status", token=first)
    assert [caller.refresh(one).status_code for one in (first, second)] == [503, 200]


def test_fault_for_one_token_over_http(caller: Caller) -> None:
    """The control API takes it, and lists its label."""
    token = caller.zoho.mint_refresh_token()
    body = {"endpoint": "token", "kind": "refuse", "times": 1, "token": token}
    (standing,) = caller.control("POST", "/faults", body).json()["faults"]
    assert standing["token"] == label(token)
    assert "access_token" in caller.exchange().json()
    with pytest.raises(httpx2.RemoteProtocolError):
        caller.refresh(token)
