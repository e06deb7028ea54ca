"""The device flow: `POST /oauth/v3/device/code`, polling, and the page on which the user decides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from tests.emulator.support import Caller, FakeClock
from zoho_tokenstore.emulator import Emulator

SCOPE = "ZohoCRM.modules.ALL,ZohoCRM.org.READ"


@dataclass
class Gadget:
    """A device without a browser, 30 seconds after its last poll."""

    caller: Caller
    clock: FakeClock

    def ask(self, **form: str) -> dict[str, Any]:
        client = self.caller.zoho.default_client
        known = {"grant_type": "device_request", "client_id": client.client_id, "scope": SCOPE}
        known["access_type"] = "offline"
        answer = self.caller.http.post(f"{self.caller.zoho.url}/oauth/v3/device/code", data={**known, **form})
        codes: dict[str, Any] = answer.json()
        return codes

    def poll(self, device_code: str, *, after: float = 30, at: Emulator | None = None) -> dict[str, Any]:
        self.clock.seconds += after
        client = self.caller.zoho.default_client
        form = {
            "grant_type": "device_token",
            "client_id": client.client_id,
            "client_secret": client.client_secret,
            "code": device_code,
        }
        url = (at or self.caller.zoho).url
        told: dict[str, Any] = self.caller.http.post(f"{url}/oauth/v3/device/token", data=form).json()
        return told


@pytest.fixture
def gadget(caller: Caller, clock: FakeClock) -> Gadget:
    return Gadget(caller, clock)


def test_device_gets_a_code_for_itself_and_one_for_its_user(gadget: Gadget) -> None:
    """Codes, the page's address, and the times in milliseconds."""
    codes = gadget.ask()
    url = f"{gadget.caller.zoho.url}/oauth/v3/device"
    assert codes["device_code"].startswith("1000.")
    assert codes["verification_url"] == url
    assert codes["verification_uri_complete"] == f"{url}?user_code={codes['user_code']}"
    assert (codes["interval"], codes["expires_in"]) == (30_000, 300_000)


def test_times_can_be_in_seconds(clock: FakeClock) -> None:
    """Clients disagree about the unit, so that it is an option."""
    with Emulator(clock=clock, device_unit="s", device_interval=timedelta(seconds=5)) as zoho:
        caller = Caller(zoho)
        with caller.http:
            codes = Gadget(caller, clock).ask()
    assert (codes["interval"], codes["expires_in"]) == (5, 300)


def test_approved_device_gets_tokens_once(gadget: Gadget) -> None:
    """authorization_pending until the user approves, then tokens of that user; the code is spent."""
    zoho, codes = gadget.caller.zoho, gadget.ask()
    assert gadget.poll(codes["device_code"]) == {"error": "authorization_pending"}
    zoho.approve_device(codes["user_code"].lower(), zoho.default_users[1])
    tokens = gadget.poll(codes["device_code"])
    assert tokens["scope"] == SCOPE.replace(",", " ")
    assert zoho.is_live(tokens["refresh_token"])
    assert zoho.journal("token:device_token")[-1].user == zoho.default_users[1].email
    assert (zoho.counters().device_logins, zoho.counters().minted) == (1, 1)
    assert gadget.poll(codes["device_code"]) == {"error": "invalid_code"}


def test_online_device_gets_no_refresh_token(gadget: Gadget) -> None:
    """access_type online, the default of Zoho."""
    codes = gadget.ask(access_type="online")
    gadget.caller.zoho.approve_device(codes["user_code"])
    assert "refresh_token" not in gadget.poll(codes["device_code"])


def test_second_consent_brings_a_refresh_token_only_if_prompted(gadget: Gadget) -> None:
    """As in the browser: the first consent does, later ones with prompt=consent."""
    found = []
    for form in ({}, {}, {"prompt": "consent"}):
        codes = gadget.ask(**form)
        gadget.caller.zoho.approve_device(codes["user_code"])
        found.append("refresh_token" in gadget.poll(codes["device_code"]))
    assert found == [True, False, True]


def test_hasty_device_is_told_to_slow_down(gadget: Gadget) -> None:
    """Two polls within 30 seconds: slow_down, and the second counts as the last one."""
    code = gadget.ask()["device_code"]
    errors = [gadget.poll(code, after=seconds)["error"] for seconds in (0, 29.9, 29.9, 30)]
    assert errors == ["authorization_pending", "slow_down", "slow_down", "authorization_pending"]


def test_denied_and_expired_devices_are_told(gadget: Gadget) -> None:
    """access_denied after a refusal, expired after five minutes without an answer."""
    denied, late = gadget.ask(), gadget.ask()
    gadget.caller.zoho.deny_device(denied["user_code"])
    assert gadget.poll(denied["device_code"]) == {"error": "access_denied"}
    assert gadget.poll(late["device_code"], after=300) == {"error": "expired"}
    with pytest.raises(LookupError, match="No device waits"):
        gadget.caller.zoho.approve_device(late["user_code"])


def test_user_of_another_data_centre(gadget: Gadget) -> None:
    """other_dc names the user's location; that data centre's server answers the next poll with tokens."""
    codes = gadget.ask()
    with Emulator(clock=gadget.clock, location="eu") as eu:
        gadget.caller.zoho.approve_device(codes["user_code"], at=eu)
        assert gadget.poll(codes["device_code"]) == {"error": "other_dc", "user_location": "eu"}
        tokens = gadget.poll(codes["device_code"], at=eu)
        assert eu.is_live(tokens["refresh_token"])
        assert tokens["api_domain"] == eu.url
    assert gadget.caller.zoho.counters().minted == 0


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "device_token"}, "unsupported_grant_type"),
        ({"client_id": "1000.UNKNOWN"}, "invalid_client"),
        ({"scope": ""}, "invalid_scope"),
        ({"scope": "everything!"}, "invalid_scope"),
    ],
)
def test_malformed_requests_of_a_device(gadget: Gadget, form: dict[str, str], error: str) -> None:
    """The error is told in the body, with status 200."""
    assert gadget.ask(**form) == {"error": error}


def test_device_code_belongs_to_its_client(gadget: Gadget) -> None:
    """Another client cannot poll with it, and a client needs its secret."""
    zoho, code = gadget.caller.zoho, gadget.ask()["device_code"]
    other, own = zoho.add_client(), zoho.default_client
    errors = []
    for client_id, secret in ((other.client_id, other.client_secret), (own.client_id, "wrong")):
        form = {"grant_type": "device_token", "client_id": client_id, "client_secret": secret, "code": code}
        errors.append(gadget.caller.http.post(f"{zoho.url}/oauth/v3/device/token", data=form).json()["error"])
    assert errors == ["invalid_code", "invalid_client_secret"]


@pytest.mark.parametrize(("decision", "told"), [("accept", "access_token"), ("reject", "error")])
def test_user_decides_on_a_page(gadget: Gadget, decision: str, told: str) -> None:
    """The page asks for the code, then for the decision; what it shows is escaped."""
    zoho, http, codes = gadget.caller.zoho, gadget.caller.http, gadget.ask()
    assert 'name="user_code"' in http.get(codes["verification_url"]).text
    page = http.get(codes["verification_uri_complete"]).text
    assert "ZohoCRM.org.READ" in page
    form = {"ticket": codes["user_code"], "user": zoho.default_users[0].email, "decision": decision}
    assert f'name="ticket" value="{codes["user_code"]}"' in page
    assert http.post(codes["verification_url"], data=form).status_code == 200
    assert told in gadget.poll(codes["device_code"])
    assert http.post(codes["verification_url"], data=form).status_code == 400


def test_page_of_an_unknown_code(gadget: Gadget) -> None:
    """A page with status 400, which does not repeat what was typed."""
    answer = gadget.caller.http.get(f"{gadget.caller.zoho.url}/oauth/v3/device?user_code=<b>")
    assert answer.status_code == 400
    assert "<b>" not in answer.text


def test_auto_consent_approves_devices(clock: FakeClock) -> None:
    """With auto_consent the first poll brings the tokens."""
    with Emulator(clock=clock, auto_consent="patricia@zylker.example") as zoho:
        caller = Caller(zoho)
        with caller.http:
            gadget = Gadget(caller, clock)
            assert "access_token" in gadget.poll(gadget.ask()["device_code"])


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"decision": "approve", "user": "rajesh@zylker.example"}, "access_token"),
        ({"decision": "approve", "location": "in"}, "user_location"),
        ({"decision": "deny"}, "error"),
    ],
)
def test_decisions_over_http(gadget: Gadget, body: dict[str, str], told: str) -> None:
    """Other processes decide by the control API."""
    codes = gadget.ask()
    answer = gadget.caller.control("POST", "/devices", {"user_code": codes["user_code"], **body})
    assert answer.json() == {"decision": body["decision"]}
    assert told in gadget.poll(codes["device_code"])


@pytest.mark.parametrize("body", [{"decision": "perhaps"}, {"decision": "approve", "user": "nobody"}])
def test_impossible_decisions_over_http(gadget: Gadget, body: dict[str, str]) -> None:
    """400 with a sentence, and the device still waits."""
    codes = gadget.ask()
    answer = gadget.caller.control("POST", "/devices", {"user_code": codes["user_code"], **body})
    assert answer.status_code == 400
    assert gadget.poll(codes["device_code"]) == {"error": "authorization_pending"}


def test_codes_are_not_in_any_repr(gadget: Gadget) -> None:
    """A device code is a secret until it is spent."""
    codes = gadget.ask()
    devices = gadget.caller.zoho._zoho.devices
    told = repr(devices.waiting(codes["user_code"])) + repr(gadget.caller.zoho.journal())
    assert codes["device_code"] not in told
    assert codes["user_code"] not in told
