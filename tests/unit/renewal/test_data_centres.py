"""A rejection by one data centre: another one, which knows the login, is asked all the same."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.renewal.support import CREDENTIALS, Fleet
from zoho_tokenstore import Client, RefreshToken, TokenRecord, Tokens
from zoho_tokenstore.errors import InvalidClientError, InvalidGrantError, RateLimitedError
from zoho_tokenstore.lifecycle import clean_up
from zoho_tokenstore.lifecycle._lifecycle import Lifecycle
from zoho_tokenstore.renewal._steps import Origin

US, EU = "https://www.zohoapis.com", "https://www.zohoapis.eu"
TOKEN_URL = {US: "https://accounts.zoho.com/oauth/v2/token", EU: "https://accounts.zoho.eu/oauth/v2/token"}


def process(fleet: Fleet) -> Tokens:
    """The logins of a process that has renewed nothing yet."""
    return Tokens(Lifecycle(fleet.process(background=False)))


def asked(fleet: Fleet) -> list[str]:
    """Return where requests have gone."""
    return [url for url, _ in fleet.zoho.requests]


@pytest.fixture
def rows(fleet: Fleet) -> tuple[TokenRecord, TokenRecord]:
    """One login in the rows of two data centres, of which the wrong one has rejected it."""
    wrong, right = fleet.login(-1, api_domain=US), fleet.login(-1, api_domain=EU)
    fleet.zoho.refusals = ["invalid_code"]
    with pytest.raises(InvalidGrantError):
        process(fleet).get(wrong.id or "")
    return wrong, right


@pytest.mark.parametrize(
    ("word", "error"), [("invalid_code", InvalidGrantError), ("invalid_client", InvalidClientError)]
)
@pytest.mark.parametrize("right", [{"accounts_url": "https://accounts.zoho.eu"}, {"api_domain": EU}])
def test_a_login_at_the_right_one(
    fleet: Fleet, word: str, error: type[Exception], right: dict[str, Any]
) -> None:
    """Who corrects the data centre logs in; who does not is told again, without a request."""
    fleet.zoho.refusals = [word]
    credentials = Client(*CREDENTIALS.values()), RefreshToken("1000.refresh")
    for _ in range(2):
        with pytest.raises(error):
            process(fleet).log_in(*credentials, user_name="p", accounts_url="https://accounts.zoho.com")
    assert process(fleet).log_in(*credentials, user_name="p", **right).access_token == "1000.minted.2"
    assert asked(fleet) == [TOKEN_URL[US], TOKEN_URL[EU]]


def test_a_row_of_the_right_one(fleet: Fleet, rows: tuple[TokenRecord, TokenRecord]) -> None:
    """It is renewed; that of the wrong one is not."""
    wrong, right = rows
    with pytest.raises(InvalidGrantError):
        process(fleet).get(wrong.id or "")
    assert process(fleet).get(right.id or "").access_token == "1000.minted.2"
    assert asked(fleet) == [TOKEN_URL[US], TOKEN_URL[EU]]


def test_the_budget_is_one(fleet: Fleet, rows: tuple[TokenRecord, TokenRecord]) -> None:
    """Requests of all data centres are counted together."""
    _, right = rows
    for _ in range(fleet.policy.budget - 1):
        process(fleet).refresh(right.id or "")
    with pytest.raises(RateLimitedError):
        process(fleet).refresh(right.id or "")
    assert fleet.zoho.sent == fleet.policy.budget


def test_the_status(fleet: Fleet, rows: tuple[TokenRecord, TokenRecord]) -> None:
    """Each row has that of its own data centre."""
    states = [
        (status.state, status.error) for status in (process(fleet).status(row.id or "") for row in rows)
    ]
    assert states == [("login_needed", "invalid_code"), ("due", None)]


def test_clean_up(fleet: Fleet, rows: tuple[TokenRecord, TokenRecord]) -> None:
    """Only the row of the data centre that has rejected it goes."""
    _, right = rows
    fleet.clock.pass_(86_400)
    assert clean_up(process(fleet), rejected_for=timedelta(hours=1)).rejected == 1
    assert fleet.stored().id == right.id


def test_since_when_it_is_rejected(fleet: Fleet, rows: tuple[TokenRecord, TokenRecord]) -> None:
    """Each data centre's rejection has its own age."""
    _, right = rows
    fleet.clock.pass_(86_400)
    fleet.zoho.refusals = ["invalid_code"]
    with pytest.raises(InvalidGrantError):
        process(fleet).get(right.id or "")
    assert process(fleet).status(right.id or "").failing_since_ms == fleet.clock.now
    assert clean_up(process(fleet), rejected_for=timedelta(hours=1)).rejected == 0


@pytest.mark.parametrize(
    ("origin", "record", "server"),
    [
        (Origin(), TokenRecord(refresh_token="r", api_domain=EU), "https://accounts.zoho.eu"),
        (
            Origin("https://accounts.zoho.com"),
            TokenRecord(refresh_token="r", api_domain="eu"),
            "https://accounts.zoho.eu",
        ),
        (Origin(TOKEN_URL[US]), TokenRecord(refresh_token="r"), "https://accounts.zoho.com"),
        (Origin(), TokenRecord(refresh_token="r"), None),
        (Origin("no address"), TokenRecord(refresh_token="r"), None),
        (Origin(), TokenRecord(grant_token="g", api_domain=EU), None),
    ],
)
def test_whose_rejection_counts(origin: Origin, record: TokenRecord, server: str | None) -> None:
    """That of the server that would be asked; anybody's of a code, which is sent once."""
    assert origin.server_of(record) == server
