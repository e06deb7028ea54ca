"""The device flow's endpoints: the device asks and polls, its user decides on a page."""

from __future__ import annotations

from zoho_tokenstore.emulator._devices import Device
from zoho_tokenstore.emulator._refusals import oauth_refusal
from zoho_tokenstore.emulator._scopes import read_scopes
from zoho_tokenstore.emulator._web.accounts import answer_with_tokens, authenticate
from zoho_tokenstore.emulator._web.call import Answer, Call
from zoho_tokenstore.emulator._web.pages import consent_page, device_page, error_page, notice_page
from zoho_tokenstore.emulator._zoho import Zoho

PAGE = "/oauth/v3/device"


def ask(zoho: Zoho, call: Call) -> Answer:
    """Answer `POST /oauth/v3/device/code`: a code for the device, and one for its user to type."""
    if call.param("grant_type") != "device_request":
        raise oauth_refusal("unsupported_grant_type")
    client = zoho.directory.clients.get(call.param("client_id") or "")
    if client is None:
        raise oauth_refusal("invalid_client")
    call.trace.client = client.client_id
    device = zoho.devices.ask(
        client,
        read_scopes(call.param("scope") or ""),
        offline=call.param("access_type") == "offline",
        prompted=call.param("prompt") == "consent",
    )
    if zoho.options.auto_consent is not None:
        device.user = zoho.directory.user(zoho.options.auto_consent)
    return Answer(json=_codes(zoho, call, device))


def poll(zoho: Zoho, call: Call) -> Answer:
    """Answer `POST /oauth/v3/device/token`: the tokens, or how things stand."""
    client = authenticate(zoho, call)
    if call.param("grant_type") != "device_token":
        raise oauth_refusal("unsupported_grant_type")
    return answer_with_tokens(
        zoho, call, zoho.log_in_device(zoho.devices.poll(call.param("code") or "", client))
    )


def show(zoho: Zoho, call: Call) -> Answer:
    """Answer `GET /oauth/v3/device`: the page to type the user code, or with one to decide."""
    user_code = call.query.get("user_code", "")
    if not user_code:
        return Answer(page=device_page(PAGE), outcome="page")
    try:
        device = zoho.devices.waiting(user_code)
    except LookupError:
        return _nobody_waits()
    client_id, users = device.client.client_id, zoho.directory.users.values()
    page = consent_page(device.user_code, client_id, device.scopes, users, action=PAGE)
    return Answer(page=page, outcome="page")


def decide(zoho: Zoho, call: Call) -> Answer:
    """Answer `POST /oauth/v3/device`, the page's form."""
    user = zoho.directory.users.get(call.form.get("user", ""))
    accepted = call.form.get("decision") == "accept" and user is not None
    try:
        device = zoho.devices.waiting(call.form.get("ticket", ""))
    except LookupError:
        return _nobody_waits()
    call.trace.client = device.client.client_id
    if not accepted:
        device.denied = True
        return Answer(page=notice_page("The device was refused."), outcome="access_denied")
    device.user = user
    return Answer(page=notice_page("The device is logged in. You can close this page."))


def _nobody_waits() -> Answer:
    page = error_page("No device waits with this code.", "Start again on the device.")
    return Answer(400, page=page, outcome="invalid_code")


def _codes(zoho: Zoho, call: Call, device: Device) -> dict[str, object]:
    options, url = zoho.options, f"{call.base_url}{PAGE}"
    factor = 1000 if options.device_unit == "ms" else 1
    return {
        "user_code": device.user_code,
        "device_code": device.text,
        "interval": int(options.device_interval.total_seconds() * factor),
        "verification_url": url,
        "verification_uri_complete": f"{url}?user_code={device.user_code}",
        "expires_in": int(options.device_code_lifetime.total_seconds() * factor),
    }
