"""The SDK's process-wide state, as far as it decides which store is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sdk import app
from tests.sdk.generation import SDK
from tests.sdk.portal import Portal
from zoho_tokenstore import ListStore, TokenNotFoundError
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.sdk._zoho import ACCEPTS_MISSING_ID


@pytest.fixture
def portals(zoho: Emulator, tmp_path: Path) -> tuple[Portal, Portal]:
    """Two applications in one process, each with a store of its own."""
    first, second = ListStore(), ListStore()
    return Portal(zoho, tmp_path, lambda: first), Portal(zoho, tmp_path, lambda: second)


def test_stores_know_the_installed_sdk() -> None:
    """The stores answer a missing id as the installed release needs it."""
    assert SDK.accepts_missing_id is ACCEPTS_MISSING_ID


def test_second_initialize(portals: tuple[Portal, Portal]) -> None:
    """Up to 7.0 a second initialize saves in the first store, and then asks the second; 8.0 does not."""
    first, second = portals
    first.log_in(first.zoho.default_users[0])
    second.log_in(second.zoho.default_users[1])
    if SDK.initialize_binds_the_thread:
        assert (len(first.records), len(second.records)) == (2, 0)
        with pytest.raises(TokenNotFoundError):
            app.create_lead("Kumar")
        return
    assert (len(first.records), len(second.records)) == (1, 1)
    app.create_lead("Kumar")
    assert app.leads() == {"Kumar": second.zoho.default_users[1].full_name}


def test_initialize_after_switch_user(portals: tuple[Portal, Portal]) -> None:
    """After switch_user an initialize in the same thread saves in the old store, in every generation."""
    first, second = portals
    patricia, rajesh = first.zoho.default_users
    first.log_in(patricia)
    app.Initializer.switch_user(token=app.token_of(rajesh.user_name, **first.grant(rajesh)))
    second.log_in(patricia)
    assert second.records == []
    if SDK.initialize_binds_the_thread:
        with pytest.raises(TokenNotFoundError):
            app.create_lead("Kumar")
        return
    app.create_lead("Kumar")
    assert app.leads() == {"Kumar": rajesh.full_name}


def test_forgetting_the_thread(portals: tuple[Portal, Portal]) -> None:
    """`Initializer.LOCAL.init = None` lets the thread begin anew, with a store of its own."""
    first, second = portals
    first.log_in(first.zoho.default_users[0])
    app.Initializer.switch_user(token=app.token_of(id=first.records[0].id))
    app.Initializer.LOCAL.init = None
    second.log_in(second.zoho.default_users[1])
    assert (len(first.records), len(second.records)) == (1, 1)
