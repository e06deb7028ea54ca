"""Where a token's requests go, and which API domain it keeps."""

from __future__ import annotations

import pytest

from zoho_tokenstore import ConfigurationError, TokenRecord
from zoho_tokenstore.renewal._steps import Origin

US, EU = "https://www.zohoapis.com", "https://www.zohoapis.eu"
SANDBOX, EU_SANDBOX = "https://sandbox.zohoapis.com", "https://sandbox.zohoapis.eu"
LOCAL = "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("api_domain", "server"),
    [
        (EU, "https://accounts.zoho.eu"),
        (SANDBOX, "https://accounts.zoho.com"),
        ("https://developer.zohoapis.in", "https://accounts.zoho.in"),
        ("https://www.zohoapis.eu.example", "https://accounts.example"),
        (LOCAL, "https://accounts.example"),
        (None, "https://accounts.example"),
    ],
)
def test_a_tokens_own_data_centre_is_asked(api_domain: str | None, server: str) -> None:
    """Whatever the caller says; what it says counts for addresses that are none of Zoho's."""
    record = TokenRecord(id="1", api_domain=api_domain)
    assert Origin(accounts_url="https://accounts.example").accounts_url_of(record) == server


def test_a_token_of_nowhere() -> None:
    """If nobody says where it belongs, nothing is guessed."""
    with pytest.raises(ConfigurationError, match=r"id '1' belongs to is not known.*accounts_url="):
        Origin().accounts_url_of(TokenRecord(id="1", api_domain=LOCAL, refresh_token="1000.hidden"))


@pytest.mark.parametrize(
    ("stored", "granted", "kept"),
    [
        (US, US, US),
        (US, EU, EU),  # the user has moved
        (f"{US}/", EU, EU),
        ("us", EU, EU),
        ("us", US, "us"),  # the SDK goes on looking for its own spelling
        (SANDBOX, US, SANDBOX),
        (SANDBOX, EU, EU_SANDBOX),
        (LOCAL, US, LOCAL),
        (US, LOCAL, US),
        (US, None, US),
        (None, EU, EU),
        (None, None, None),
    ],
)
def test_which_api_domain_is_kept(stored: str | None, granted: str | None, kept: str | None) -> None:
    """Zoho's answer names production's: it moves to another data centre, not out of a sandbox."""
    assert Origin().domain_for(TokenRecord(api_domain=stored), granted) == kept


@pytest.mark.parametrize(
    ("environment", "kept"), [(SANDBOX, EU_SANDBOX), (US, EU), (LOCAL, LOCAL), (None, EU)]
)
def test_a_first_login_goes_by_the_environment(environment: str | None, kept: str) -> None:
    """Without a stored domain that of the caller's environment counts, by the same rule."""
    assert Origin(api_domain=environment).domain_for(TokenRecord(), EU) == kept


def test_a_caller_may_keep_its_data_centre() -> None:
    """The SDK's configuration can forbid that an answer moves a token."""
    assert Origin(may_move=False).domain_for(TokenRecord(api_domain=US), EU) == US


def test_an_origin_shows_no_secret() -> None:
    """The verifier of a code is one."""
    assert "hidden" not in repr(Origin("https://accounts.zoho.eu", code_verifier="hidden"))
