"""Tokens for the tests of stores that are kept in a file."""

from __future__ import annotations

from pathlib import Path

from zoho_tokenstore.records import TokenRecord


def token(user_name: str, access_token: str = "access-1") -> TokenRecord:
    return TokenRecord(
        user_name=user_name,
        client_id="1000.C",
        client_secret="secret-of-1000.C",
        refresh_token=f"1000.refresh.{user_name}",
        access_token=access_token,
        expires_at_ms=4102444800000,
        api_domain="https://www.zohoapis.com",
    )


def by_name(user_name: str) -> TokenRecord:
    return TokenRecord(user_name=user_name)


def holds_a_token(path: Path) -> bool:
    """Whether a file has something of a `token` in it, clear or sealed."""
    content = path.read_bytes()
    return b"access-" in content or b"zts1." in content
