"""What an answer means, told by its structure and never by its text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zoho_tokenstore.errors import (
    AccountsError,
    AccountsUnavailableError,
    InvalidClientError,
    InvalidGrantError,
    RateLimitedError,
)
from zoho_tokenstore.renewal._answers import TokenResponse, failure_of, parse_token_response
from zoho_tokenstore.renewal._device import Pending, device_code_of, poll_of
from zoho_tokenstore.renewal._transport import HTTPAnswer

SUBJECT = "the refresh token"
TOKEN = "1000.aaaa.bbbb"
DATE_MS, SENT_MS = 1_795_953_600_000, 1_795_953_000_000


def answer(body: object, status: int = 200, *, date_ms: int | None = DATE_MS, **more: Any) -> HTTPAnswer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HTTPAnswer(status, content, "application/json", date_ms, SENT_MS, **more)


def failure(body: object, status: int = 200, *, once: bool = False, **more: Any) -> AccountsError:
    with pytest.raises(AccountsError) as caught:
        parse_token_response(answer(body, status, **more), SUBJECT, once=once)
    return caught.value


FULL = {
    "access_token": TOKEN,
    "refresh_token": "1000.cccc.dddd",
    "api_domain": "https://www.zohoapis.eu",
    "token_type": "Bearer",
    "expires_in": 3600,
    "scope": "ZohoCRM.users.READ ZohoCRM.org.READ",
}


def test_a_grant_has_all_that_the_answer_has() -> None:
    """Tokens, domain and scopes as they are; the end by the server's own clock."""
    assert parse_token_response(answer(FULL), SUBJECT) == TokenResponse(
        access_token=TOKEN,
        refresh_token="1000.cccc.dddd",
        expires_at_ms=DATE_MS + 3_600_000,
        api_domain="https://www.zohoapis.eu",
        scopes=("ZohoCRM.users.READ", "ZohoCRM.org.READ"),
        date_ms=DATE_MS,
        sent_ms=SENT_MS,
    )


def test_a_grant_does_not_show_its_tokens() -> None:
    """Neither does the answer that it comes from."""
    shown = f"{parse_token_response(answer(FULL), SUBJECT)!r} {answer(FULL)!r}"
    assert TOKEN not in shown
    assert "cccc" not in shown


@pytest.mark.parametrize("date_ms", [0, -62_135_596_800_000, 253_402_300_799_000])
def test_a_date_of_another_age_is_none(date_ms: int) -> None:
    """The years 1970, 1 and 9999: this host's clock counts, and nothing is learnt of it."""
    grant = parse_token_response(answer(FULL, date_ms=date_ms), SUBJECT)
    assert (grant.date_ms, grant.expires_at_ms) == (None, SENT_MS + 3_600_000)


def test_without_a_date_this_hosts_clock_counts() -> None:
    """A token then ends an hour after the request was sent."""
    assert parse_token_response(answer(FULL, date_ms=None), SUBJECT).expires_at_ms == SENT_MS + 3_600_000


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({"expires_in": 3600}, 3600),
        ({"expires_in": "3600"}, 3600),
        ({"expires_in": 3_600_000, "expires_in_sec": 3600}, 3600),
        ({"expires_in": 3_600_000, "expires_in_sec": "3600"}, 3600),
        ({"expires_in": 60, "expires_in_sec": None}, 60),
        ({}, 3600),
        ({"expires_in": None}, 3600),
    ],
)
def test_the_life_of_a_token(fields: dict[str, object], seconds: int) -> None:
    """`expires_in` is in seconds, but in milliseconds beside `expires_in_sec`; an hour if nothing is said."""
    found = parse_token_response(answer({"access_token": TOKEN, **fields}), SUBJECT)
    assert found.expires_at_ms == DATE_MS + seconds * 1000


@pytest.mark.parametrize("value", [0, -1, 3600.5, True, [], "soon", "-5", "", 10**12, "9" * 5000, "３６００"])
def test_a_life_that_makes_no_sense(value: object) -> None:
    """A token of which nobody knows how long it lives is not taken."""
    assert failure({"access_token": TOKEN, "expires_in": value}).kind == "transient"


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("A.b.READ,C.d.ALL", ("A.b.READ", "C.d.ALL")),
        ("A.b.READ C.d.ALL", ("A.b.READ", "C.d.ALL")),
        ("A.b.READ, C.d.ALL,", ("A.b.READ", "C.d.ALL")),
        ("", ()),
        (None, ()),
        (7, ()),
        (["A.b.READ"], ()),
        ("x" * 10_000, ()),
    ],
)
def test_scopes_are_read_in_both_spellings(scope: object, expected: tuple[str, ...]) -> None:
    """Blanks and commas separate them; what is no list of scopes says nothing."""
    assert parse_token_response(answer({**FULL, "scope": scope}), SUBJECT).scopes == expected


@pytest.mark.parametrize("name", ["refresh_token", "api_domain"])
@pytest.mark.parametrize("value", [None, "", False])
def test_an_empty_value_is_none(name: str, value: object) -> None:
    """A field that is there and empty counts as missing."""
    assert getattr(parse_token_response(answer({**FULL, name: value}), SUBJECT), name) is None


NO_TOKEN: list[object] = [
    None,
    "",
    7,
    True,
    [TOKEN],
    {"a": TOKEN},
    "a b",
    "a\nb",
    "a\x00b",
    "ä",
    "x" * 5000,
    "\ud800",
]


@pytest.mark.parametrize("value", NO_TOKEN, ids=repr)
@pytest.mark.parametrize("once", [False, True])
def test_an_access_token_that_is_none(value: object, once: bool) -> None:
    """With 200 and no token nothing was granted, as far as can be told; a one-time code may be spent."""
    error = failure({**FULL, "access_token": value}, once=once)
    assert type(error) is AccountsUnavailableError
    assert error.kind == ("uncertain" if once else "transient")


@pytest.mark.parametrize("name", ["refresh_token", "api_domain"])
@pytest.mark.parametrize("value", [7, True, ["x"], "a\r\nX: y", "a b", "x" * 5000])
def test_a_value_that_cannot_be_kept(name: str, value: object) -> None:
    """No part of a grant is taken if another one is broken."""
    assert failure({**FULL, name: value}).kind == "transient"


REFUSED = [
    ("invalid_code", InvalidGrantError),
    ("invalid_grant", InvalidGrantError),
    ("invalid_redirect_uri", InvalidGrantError),
    ("access_denied", InvalidGrantError),
    ("missing_org_info", InvalidGrantError),
    ("unsupported_grant_type", InvalidGrantError),
    ("something_new", InvalidGrantError),
    ("INVALID_OAUTHTOKEN", InvalidGrantError),
    ("invalid_client", InvalidClientError),
    ("invalid_client_secret", InvalidClientError),
    ("unauthorized_client", InvalidClientError),
]


@pytest.mark.parametrize(("code", "kind"), REFUSED)
@pytest.mark.parametrize("status", [200, 400, 401])
@pytest.mark.parametrize(
    "more", [{}, {"status": "failure", "error_description": "No."}], ids=["short", "long"]
)
@pytest.mark.parametrize("once", [False, True])
def test_a_refusal(
    code: str, kind: type[AccountsError], status: int, more: dict[str, object], once: bool
) -> None:
    """An error with a name is Zoho's no, with any of its status; the name is told, and no other text."""
    error = failure({"error": code, **more}, status, once=once)
    assert type(error) is kind
    assert (error.kind, error.error_code) == ("rejected", code)
    assert f"({code})" in str(error)
    assert "No." not in str(error)


THROTTLES: list[dict[str, object]] = [
    {
        "error": "Access Denied",
        "error_description": "You have made too many requests continuously. Please try again later.",
        "status": "failure",
    },
    {"error": "访问被拒绝", "error_description": "您连续发出了过多的请求。请稍后再试。", "status": "failure"},
    {"error": "Zugriff verweigert", "error_description": "Zu viele Anfragen.", "status": "failure"},
    {"error": "Geweigerd", "error_description": "Te veel aanvragen.", "status": "failure"},
]


@pytest.mark.parametrize("body", THROTTLES, ids=lambda body: str(body["error"]))
@pytest.mark.parametrize("status", [200, 400, 403])
@pytest.mark.parametrize("once", [False, True])
def test_a_throttle_in_any_language(body: dict[str, object], status: int, once: bool) -> None:
    """Too many requests are told by the fields of the answer. Its texts are translated, and not repeated."""
    error = failure(body, status, once=once)
    assert type(error) is RateLimitedError
    assert (error.kind, error.error_code, error.retry_after) == ("throttled", None, None)
    assert str(body["error"]) not in str(error)
    assert str(body["error_description"]) not in str(error)


@pytest.mark.parametrize("body", [{}, [], b"", b"<html>", {"error": "too_many"}], ids=repr)
def test_too_many_requests_by_status(body: object) -> None:
    """HTTP 429 says it all, and `Retry-After` when."""
    error = failure(body, 429, retry_after=30.0)
    assert type(error) is RateLimitedError
    assert error.retry_after == 30.0


UNUSABLE: list[tuple[object, int]] = [
    (b"", 200),
    (b"", 204),
    (b"<html><body>We are down for maintenance.</body></html>", 200),
    (b"null", 200),
    (b"[]", 200),
    (b'"text"', 200),
    (b"7", 200),
    (b"{", 200),
    (b'{"access_token": "' + TOKEN.encode(), 200),
    (b"\xff\xfe\x00", 200),
    (b"[" * 100_000, 200),
    (b'{"a":' * 100_000, 200),
    (b"1" * 10_000, 200),
    (b'{"expires_in":' + b"1" * 10_000 + b"}", 200),
    ([FULL], 200),
    ({"data": FULL}, 200),
    ({}, 200),
    ({"error": None}, 200),
    ({"error": ""}, 200),
    ({"error": ["invalid_code"]}, 200),
    ({"error": {"code": "invalid_code"}}, 200),
    ({"error": "Something went wrong"}, 200),
    ({"error": "访问被拒绝"}, 400),
    ({"error": "Access Denied", "status": "failure"}, 400),
    ({"error": "x" * 100}, 400),
    ({"error": "server_error"}, 200),
    ({"error": "temporarily_unavailable"}, 400),
    ({"error": "general_error"}, 200),
    ({"error": "internal_error", "status": "failure"}, 400),
    ({"error": "not_found"}, 404),
    ({}, 400),
    ({}, 401),
    (FULL, 201),
    (FULL, 302),
    (FULL, 400),
    (FULL, 503),
    ({"error": "invalid_code"}, 500),
    ({"error": "invalid_code"}, 302),
    (THROTTLES[0] | {"error_description": None}, 200),
]


@pytest.mark.parametrize(("body", "status"), UNUSABLE, ids=lambda value: repr(value)[:40])
def test_an_answer_that_says_nothing(body: object, status: int) -> None:
    """An outage is told as one, whatever it looks like; for a one-time code the outcome is then open."""
    for once, kind in ((False, "transient"), (True, "uncertain")):
        error = failure(body, status, once=once)
        assert type(error) is AccountsUnavailableError
        assert error.kind == kind
        assert f"HTTP {status}" in str(error)


def test_an_answer_that_is_not_whole() -> None:
    """What was cut off is not read, even if it could be."""
    assert failure(FULL, is_whole=False).kind == "transient"


def test_a_token_beside_an_error_is_not_taken() -> None:
    """An answer that says yes and no at once says no."""
    assert failure({**FULL, "error": "invalid_code"}).kind == "rejected"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([TOKEN, "failure"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = [
    *("access_token", "refresh_token", "api_domain", "expires_in", "expires_in_sec", "scope", "error"),
    *(
        "error_description",
        "status",
        "device_code",
        "user_code",
        "verification_url",
        "interval",
        "user_location",
    ),
]
OBJECTS = st.dictionaries(st.sampled_from(NAMES), JSON).map(lambda value: json.dumps(value).encode())
BODIES = st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()) | OBJECTS


def outcome(given: HTTPAnswer, *, once: bool) -> TokenResponse | AccountsError:
    try:
        return parse_token_response(given, SUBJECT, once=once)
    except AccountsError as error:
        return error


@pytest.mark.long
@settings(max_examples=200, deadline=None)
@given(
    BODIES,
    st.sampled_from([200, 200, 204, 302, 400, 401, 429, 500]),
    st.booleans(),
    st.none() | st.integers(),
)
@example(json.dumps({"error": "slow_down", "access_token": None}).encode(), 200, False, None)
def test_no_body_makes_anything_else(body: bytes, status: int, once: bool, date_ms: int | None) -> None:
    """Whatever comes back is a whole grant or an error of ours, and the error shows none of it."""
    found = outcome(answer(body, status, date_ms=date_ms), once=once)
    if isinstance(found, TokenResponse):
        assert found.access_token.isprintable()
        assert " " not in found.access_token
    else:
        assert found.kind in ("rejected", "throttled", "transient", "uncertain")
        assert found.error_code is None or (found.error_code.isascii() and len(found.error_code) <= 64)
        assert str(found).isascii()


@pytest.mark.long
@settings(max_examples=100, deadline=None)
@given(BODIES, st.sampled_from([200, 400, 500]))
def test_no_body_makes_anything_else_for_a_device(body: bytes, status: int) -> None:
    """The same for the device's endpoints."""
    for read in (device_code_of, poll_of):
        try:
            read(answer(body, status))
        except AccountsError:
            continue


@pytest.mark.parametrize(
    ("error", "expected"),
    [("authorization_pending", Pending()), ("slow_down", Pending(slow_down=True))],
)
@pytest.mark.parametrize("status", [200, 400])
def test_a_poll_that_has_to_wait(error: str, expected: Pending, status: int) -> None:
    """The user has not decided: no error."""
    assert poll_of(answer({"error": error}, status)) == expected


@pytest.mark.parametrize("location", [None, "", "xx", 7, "https://evil.example"])
def test_a_user_of_an_unknown_data_centre(location: object) -> None:
    """A poll goes on at no server that is not in the table."""
    with pytest.raises(InvalidGrantError) as caught:
        poll_of(answer({"error": "other_dc", "user_location": location}))
    assert caught.value.error_code == "other_dc"


def test_a_failure_can_be_asked_for_directly() -> None:
    """An answer without what another endpoint promises is unusable, with no error in it either."""
    assert failure_of(answer({"status": "success"}), "the token to revoke").kind == "transient"
