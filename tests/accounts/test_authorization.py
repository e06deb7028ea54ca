"""The URL that a user's browser is sent to."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.renewal._authorization import authorization_url, pkce_pair

NEEDED: dict[str, Any] = {
    "accounts_url": "https://accounts.zoho.com/oauth/v2/token",
    "client_id": "1000.CLIENT",
    "redirect_url": "https://portal.example/zoho?a=b&c=d",
    "scopes": ["ZohoCRM.users.READ", "ZohoCRM.modules.ALL"],
    "state": "a state & more",
}


def query(**changes: Any) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(authorization_url(**{**NEEDED, **changes})).query, strict_parsing=True))


def test_what_is_asked() -> None:
    """By default: a code, a refresh token, and the user's consent."""
    url = urlsplit(authorization_url(**NEEDED))
    assert (url.scheme, url.netloc, url.path) == ("https", "accounts.zoho.com", "/oauth/v2/auth")
    assert query() == {
        "response_type": "code",
        "client_id": "1000.CLIENT",
        "redirect_uri": "https://portal.example/zoho?a=b&c=d",
        "scope": "ZohoCRM.users.READ,ZohoCRM.modules.ALL",
        "access_type": "offline",
        "state": "a state & more",
        "prompt": "consent",
    }


def test_what_can_be_chosen() -> None:
    """Access type, prompt and PKCE."""
    chosen = query(access_type="online", prompt=None, code_challenge="abc")
    assert chosen["access_type"] == "online"
    assert "prompt" not in chosen
    assert (chosen["code_challenge"], chosen["code_challenge_method"]) == ("abc", "S256")


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": ""},
        {"redirect_url": ""},
        {"state": ""},
        {"scopes": []},
        {"scopes": "ZohoCRM.users.READ"},
        {"accounts_url": "http://accounts.zoho.com"},
    ],
    ids=str,
)
def test_what_cannot_be_left_out(changes: dict[str, object]) -> None:
    """Without a client, redirect URL, state or scopes there is no URL."""
    with pytest.raises(ConfigurationError):
        authorization_url(**{**NEEDED, **changes})


def test_a_verifier_and_its_challenge() -> None:
    """As RFC 7636 has them, new each time, and the verifier is not shown."""
    pair = pkce_pair()
    assert re.fullmatch(r"[A-Za-z0-9._~-]{43,128}", pair.verifier)
    digest = hashlib.sha256(pair.verifier.encode()).digest()
    assert base64.urlsafe_b64decode(pair.challenge + "=") == digest
    assert "=" not in pair.challenge
    assert pair.verifier not in repr(pair)
    assert pkce_pair().verifier != pair.verifier
