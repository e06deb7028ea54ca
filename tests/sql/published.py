"""The SDK's own `DBStore`, on a database of the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from sqlalchemy.engine import make_url
from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
from zohocrmsdk.src.com.zoho.api.authenticator.store import DBStore
from zohocrmsdk.src.com.zoho.crm.api.user_signature import UserSignature

from tests.sql import support
from zoho_tokenstore.records import COLUMNS

DUMP: Final = Path(__file__).parents[1] / "fixtures" / "legacy" / "oauthtoken.mysql.sql"


def load_dump(url: str, *, declared: str | None = None) -> None:
    """Restore the dump of a table that the SDK has written.

    Arguments:
        url: an empty database.
        declared: what the table is declared with, instead of its engine and character set.
    """
    text = DUMP.read_text(encoding="utf-8")
    if declared is not None:
        text = text.replace("ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci", declared)
    lines = [line for line in text.splitlines() if not line.startswith("/*")]
    with support.driver(url) as connection:
        for statement in "\n".join(lines).split(";\n"):
            connection.exec_driver_sql(statement.rstrip(";"))


def store(url: str) -> Any:
    """Return the SDK's store on a database."""
    parts = make_url(url)
    return DBStore(parts.host, parts.database, parts.username, parts.password, str(parts.port))


def token(user_name: str, **fields: str) -> Any:
    """Return a token of the SDK."""
    made = object.__new__(OAuthToken)
    DBStore.set_oauth_token(made)
    made.set_user_signature(UserSignature(user_name))
    for name, value in fields.items():
        getattr(made, f"set_{name}")(value)
    return made


def login(user_name: str, mark: str = "1", **fields: str) -> Any:
    """Return a token of the SDK after a login."""
    made = {
        "client_id": "1000.PORTAL",
        "client_secret": "secret",
        "refresh_token": f"1000.refresh.{user_name}",
        "access_token": f"1000.access.{user_name}.{mark}",
        "expires_in": "4102444800000",
        "api_domain": "https://www.zohoapis.eu",
    }
    return token(user_name, **{**made, **fields})


def row_of(found: Any) -> tuple[str | None, ...]:
    """Return the ten values of a token of the SDK, in the order of the columns."""
    signature = found.get_user_signature()
    others = {"user_name": None if signature is None else signature.get_name()}
    names = {"expiry_time": "expires_in"}
    return tuple(
        others[name] if name in others else getattr(found, f"get_{names.get(name, name)}")()
        for name in COLUMNS
    )
