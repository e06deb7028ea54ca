"""Which data centre a domain or an accounts server belongs to, and what is taken for none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoho_tokenstore.renewal._datacenters import (
    DATA_CENTERS,
    DataCenter,
    as_listed,
    environment_like,
    of_accounts_server,
    of_api_domain,
    of_location,
)

HOSTS = {
    "us": ("accounts.zoho.com", "zohoapis.com"),
    "eu": ("accounts.zoho.eu", "zohoapis.eu"),
    "in": ("accounts.zoho.in", "zohoapis.in"),
    "au": ("accounts.zoho.com.au", "zohoapis.com.au"),
    "jp": ("accounts.zoho.jp", "zohoapis.jp"),
    "cn": ("accounts.zoho.com.cn", "zohoapis.com.cn"),
    "ca": ("accounts.zohocloud.ca", "zohoapis.ca"),
    "sa": ("accounts.zoho.sa", "zohoapis.sa"),
    "uk": ("accounts.zoho.uk", "zohoapis.uk"),
    "ae": ("accounts.zoho.ae", "zohoapis.ae"),
}

EU = of_location("eu")


def test_there_are_ten() -> None:
    """Every data centre that Zoho names is there, once."""
    assert [each.location for each in DATA_CENTERS] == list(HOSTS)


@pytest.mark.parametrize("location", HOSTS)
def test_each_is_found_by_all_of_its_addresses(location: str) -> None:
    """Short code, accounts server and the three API domains lead to one data centre."""
    accounts, domain = HOSTS[location]
    found = of_location(location)
    assert found is not None
    assert found == (
        location,
        f"https://{accounts}",
        f"https://www.{domain}",
        f"https://sandbox.{domain}",
        f"https://developer.{domain}",
    )
    assert of_accounts_server(f"https://{accounts}") is found
    for environment in ("www", "sandbox", "developer"):
        assert of_api_domain(f"https://{environment}.{domain}") is found
    assert of_api_domain(location) is found


@pytest.mark.parametrize(
    "text", ["eu", "EU", "https://WWW.ZohoAPIs.eu/", "www.zohoapis.eu", "HTTPS://www.zohoapis.eu"]
)
def test_an_api_domain_is_known_in_its_usual_spellings(text: str) -> None:
    """Case, a slash at the end and a missing scheme make no difference."""
    assert of_api_domain(text) is EU
    assert as_listed(text) == "https://www.zohoapis.eu"


@pytest.mark.parametrize(
    "text", ["https://sandbox.zohoapis.com", "sandbox.zohoapis.com", "https://SANDBOX.ZohoAPIs.com/"]
)
def test_an_environment_is_known_in_its_usual_spellings(text: str) -> None:
    """Otherwise, users of another data centre would act in production."""
    assert environment_like(text, EU) == "https://sandbox.zohoapis.eu"
    assert environment_like("www.zohoapis.com", EU) is None
    assert as_listed(text) == "https://sandbox.zohoapis.com"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "xx",
        "http://www.zohoapis.eu",
        "https://zohoapis.eu",
        "https://www.zohoapis.eu.example",
        "https://",
    ],
)
def test_an_unknown_api_domain_is_none(text: str) -> None:
    """A domain that is not in the table belongs to no data centre; none is guessed."""
    assert of_api_domain(text) is None
    assert as_listed(text) == text


@pytest.mark.parametrize(
    "url",
    [
        "https://accounts.zoho.eu",
        "https://accounts.zoho.eu/",
        "HTTPS://Accounts.Zoho.EU",
        "https://accounts.zoho.eu:443/",
    ],
)
def test_an_accounts_server_is_known(url: str) -> None:
    """Zoho's own accounts servers are on the allow-list."""
    assert of_accounts_server(url) is EU


LOOK_ALIKES = [
    "",
    "accounts.zoho.eu",
    "//accounts.zoho.eu",
    "http://accounts.zoho.eu",
    "ftp://accounts.zoho.eu",
    "https:accounts.zoho.eu",
    "https:/accounts.zoho.eu",
    "https:///accounts.zoho.eu",
    "https:\\\\accounts.zoho.eu",
    "https://accounts.zoho.eu.evil.example",
    "https://evil.example/accounts.zoho.eu",
    "https://evil.example/https://accounts.zoho.eu",
    "https://evil.example#https://accounts.zoho.eu",
    "https://evil.example?https://accounts.zoho.eu",
    "https://accounts.zoho.eu@evil.example",
    "https://accounts.zoho.eu:443@evil.example",
    "https://user@accounts.zoho.eu",
    "https://user:password@accounts.zoho.eu",
    "https://accounts.zoho.eu:8443",
    "https://accounts.zoho.eu:80",
    "https://accounts.zoho.eu:0443",
    "https://accounts.zoho.eu:443:443",
    "https://accounts.zoho.eu:",
    "https://accounts.zoho.eu.",
    "https://accounts.zoho.eu//",
    "https://accounts.zoho.eu/oauth",
    "https://accounts.zoho.eu/../",
    "https://accounts.zoho.eu?",
    "https://accounts.zoho.eu?x=1",
    "https://accounts.zoho.eu#",
    "https://accounts.zoho.eu\\@evil.example",
    "https://accounts.zoho.eu\t",
    "https://accounts.zoho.eu\n",
    " https://accounts.zoho.eu",
    "https://acc\tounts.zoho.eu",
    "https://accounts.zoho.eu%2eevil.example",
    "https://accounts%2ezoho.eu",
    "https://accounts.zoho\u3002eu",
    "https://аccounts.zoho.eu",  # a Cyrillic а
    "https://accounts.zoho.u\u212a",  # the Kelvin sign, a k in lower case
    "https://ａccounts.zoho.eu",
    "https://accounts-zoho.eu",
    "https://xaccounts.zoho.eu",
    "https://zoho.eu",
    "https://accounts.zoho.xx",
    "https://accounts.zohocorp.eu",
    "https://accounts.zoho.ca",
    "https://www.zohoapis.eu",
    "https://127.0.0.1",
    "https://[::1]",
    "https://accounts.zoho.eu\x00.evil.example",
]


@pytest.mark.parametrize("url", LOOK_ALIKES)
def test_a_look_alike_is_refused(url: str) -> None:
    """Nothing but the address of an accounts server of Zoho's is on the allow-list."""
    assert of_accounts_server(url) is None


@given(st.sampled_from(DATA_CENTERS), st.text(min_size=1), st.integers(0, 30))
def test_whatever_is_put_into_an_address_it_is_refused_or_names_the_same(
    center: DataCenter, text: str, at: int
) -> None:
    """An address with anything in it is refused, unless it still is an address of the table."""
    url = center.accounts_url[:at] + text + center.accounts_url[at:]
    found = of_accounts_server(url)
    allowed = {f"{each.accounts_url}{end}" for each in DATA_CENTERS for end in ("", "/", ":443", ":443/")}
    assert (found is not None) == (url.isascii() and url.lower() in allowed)


@given(st.text())
def test_any_text_can_be_asked(text: str) -> None:
    """No text makes a look-up fail."""
    for look_up in (of_location, of_api_domain, of_accounts_server):
        found = look_up(text)
        assert found is None or found in DATA_CENTERS
