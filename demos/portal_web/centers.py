"""Zoho's data centres, for the setting that names one and the page that shows it."""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import urlsplit


class Center(NamedTuple):
    """A data centre: its short code, its name, its accounts server and the domain of its APIs."""

    code: str
    name: str
    accounts_url: str
    api_domain: str


CENTERS: Final = tuple(
    Center(code, name, f"https://{accounts}", api_domain)
    for code, name, accounts, api_domain in (
        ("us", "United States", "accounts.zoho.com", "zohoapis.com"),
        ("eu", "Europe", "accounts.zoho.eu", "zohoapis.eu"),
        ("in", "India", "accounts.zoho.in", "zohoapis.in"),
        ("au", "Australia", "accounts.zoho.com.au", "zohoapis.com.au"),
        ("jp", "Japan", "accounts.zoho.jp", "zohoapis.jp"),
        ("cn", "China", "accounts.zoho.com.cn", "zohoapis.com.cn"),
        ("ca", "Canada", "accounts.zohocloud.ca", "zohoapis.ca"),
        ("sa", "Saudi Arabia", "accounts.zoho.sa", "zohoapis.sa"),
        ("uk", "United Kingdom", "accounts.zoho.uk", "zohoapis.uk"),
        ("ae", "United Arab Emirates", "accounts.zoho.ae", "zohoapis.ae"),
    )
)
BY_CODE: Final = {center.code: center for center in CENTERS}


def place_of(api_domain: str | None) -> str:
    """Return where a login's data is, in words."""
    host = urlsplit(api_domain or "").hostname or ""
    known = {center.api_domain: center.name for center in CENTERS}
    return known.get(host.partition(".")[2]) or f"Local Zoho ({host})"
