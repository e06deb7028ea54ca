"""A small application on the unmodified SDK 2.0 or 2.1: log in, create a lead, list the leads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zcrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
from zcrmsdk.src.com.zoho.api.logger import Logger
from zcrmsdk.src.com.zoho.crm.api import HeaderMap, ParameterMap
from zcrmsdk.src.com.zoho.crm.api.dc.data_center import DataCenter
from zcrmsdk.src.com.zoho.crm.api.initializer import Initializer
from zcrmsdk.src.com.zoho.crm.api.record import BodyWrapper, Record, RecordOperations
from zcrmsdk.src.com.zoho.crm.api.user_signature import UserSignature

from zoho_tokenstore.emulator import Emulator, User

__all__ = [
    "UserSignature",
    "environment",
    "forget_sdk_state",
    "leads",
    "new_lead",
    "start",
    "switch",
    "token_of",
]


class RefusedError(Exception):
    """CRM answered with an error, which the SDK returns instead of raising it."""


def token_of(zoho: Emulator, **fields: str) -> Any:
    """Return a token of the demo client with these fields, as an application makes it."""
    client = zoho.default_client
    return OAuthToken(client_id=client.client_id, client_secret=client.client_secret, **fields)


def environment(urls: Sequence[str], name: str = "local") -> Any:
    """Return the environment of the three addresses."""
    return DataCenter.Environment(*urls, name)


def start(zoho: Emulator, user: User, token: Any, store: Any, folder: Path) -> Any:
    """Initialize the SDK, as a new process would; return the token."""
    forget_sdk_state()
    Initializer.initialize(
        UserSignature(user.email),
        environment(zoho.environment_args()),
        token,
        store=store,
        resource_path=str(folder),
        logger=Logger.get_instance(Logger.Levels.NOTSET),
    )
    return token


def switch(user: User, token: Any, place: Any = None) -> Any:
    """Let this thread act as another user; return the token."""
    Initializer.switch_user(UserSignature(user.email), place, token)
    return token


def new_lead(last_name: str) -> None:
    """Create a lead."""
    lead = Record()
    lead.add_key_value("Last_Name", last_name)
    body = BodyWrapper()
    body.set_data([lead])
    _answer_of(RecordOperations().create_records("Leads", body))


def leads() -> dict[str, str]:
    """Return the last name of every lead, with the name of the user who created it."""
    found = _answer_of(RecordOperations().get_records("Leads", ParameterMap(), HeaderMap()))
    records = [] if found is None else found.get_data()
    return {record.get_key_value("Last_Name"): record.get_created_by().get_name() for record in records}


def _answer_of(response: Any) -> Any:
    if response.get_status_code() >= 400:
        raise RefusedError(response.get_object().get_code().get_value())
    return response.get_object()


def forget_sdk_state() -> None:
    """Put the SDK's globals back to what they are after its import."""
    Initializer.initializer = None
    Initializer.LOCAL.init = None
