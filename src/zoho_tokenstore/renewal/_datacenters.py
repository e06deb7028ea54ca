"""Zoho's data centres: where each one's accounts server and its APIs are.

Each has its own users; a login from one is unknown to the others. The table is that of Zoho's pages
"Multi DC support" (accounts and CRM v8). Texts are compared whole, never taken apart: nothing is parsed,
so no look-alike can slip through.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class DataCenter(NamedTuple):
    """One data centre: its short code, its accounts server, and its API domain for each environment."""

    location: str
    accounts_url: str
    production: str
    sandbox: str
    developer: str


def _data_center(location: str, accounts_host: str, domain: str) -> DataCenter:
    urls = (f"https://{kind}.{domain}" for kind in ("www", "sandbox", "developer"))
    return DataCenter(location, f"https://{accounts_host}", *urls)


DATA_CENTERS: Final = (
    _data_center("us", "accounts.zoho.com", "zohoapis.com"),
    _data_center("eu", "accounts.zoho.eu", "zohoapis.eu"),
    _data_center("in", "accounts.zoho.in", "zohoapis.in"),
    _data_center("au", "accounts.zoho.com.au", "zohoapis.com.au"),
    _data_center("jp", "accounts.zoho.jp", "zohoapis.jp"),
    _data_center("cn", "accounts.zoho.com.cn", "zohoapis.com.cn"),
    _data_center("ca", "accounts.zohocloud.ca", "zohoapis.ca"),
    _data_center("sa", "accounts.zoho.sa", "zohoapis.sa"),
    _data_center("uk", "accounts.zoho.uk", "zohoapis.uk"),
    _data_center("ae", "accounts.zoho.ae", "zohoapis.ae"),
)
"""All data centres, the US first."""

_BY_LOCATION: Final = {each.location: each for each in DATA_CENTERS}
_BY_ACCOUNTS_URL: Final = {each.accounts_url: each for each in DATA_CENTERS}
_BY_API_DOMAIN: Final = {
    url: each for each in DATA_CENTERS for url in (each.production, each.sandbox, each.developer)
}


def of_location(location: str) -> DataCenter | None:
    """Return the data centre that a short code (`eu`) names, as Zoho's redirects have it, or `None`."""
    return _BY_LOCATION.get(location.lower()) if location.isascii() else None


def of_api_domain(api_domain: str) -> DataCenter | None:
    """Return the data centre of an API domain of any environment, or `None` if it is not Zoho's.

    It may be a URL, a host without a scheme, or a short code, which Zoho's SDKs accept as well.
    """
    return _BY_API_DOMAIN.get(as_listed(api_domain))


def as_listed(api_domain: str) -> str:
    """Return an API domain as Zoho's answers spell it; one that is not Zoho's, unchanged.

    A short code names production.
    """
    center = of_location(api_domain)
    url = _with_scheme(api_domain) if center is None else center.production
    return url if url in _BY_API_DOMAIN else api_domain


def environment_like(api_domain: str | None, center: DataCenter | None) -> str | None:
    """Return a data centre's API domain of the same environment as another's; `None` for production."""
    known = of_api_domain(api_domain or "")
    if known is None or center is None:
        return None
    return {known.sandbox: center.sandbox, known.developer: center.developer}.get(as_listed(api_domain or ""))


def of_accounts_server(url: str) -> DataCenter | None:
    """Return the data centre whose accounts server this is, or `None`.

    The allow-list for the `accounts-server` of a redirect: anyone who sends a browser here can put any URL
    there, and would receive the code and the client's secret. Use the data centre's own `accounts_url`.
    """
    return _BY_ACCOUNTS_URL.get(_canonical(url))


def _with_scheme(api_domain: str) -> str:
    return _canonical(api_domain if "://" in api_domain else f"https://{api_domain}")


def _canonical(url: str) -> str:
    """Return a URL as written in the tables, or something not in them."""
    if not url.isascii():  # the Kelvin sign is a `k` in lower case
        return ""
    return url.lower().removesuffix("/").removesuffix(":443")
