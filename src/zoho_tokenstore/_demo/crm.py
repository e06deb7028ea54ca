"""What the portal does with Zoho's SDK, unmodified: log in, create a lead, read the leads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zohocrmsdk.src.com.zoho.api.authenticator import OAuthToken
from zohocrmsdk.src.com.zoho.crm.api import HeaderMap, Initializer, ParameterMap
from zohocrmsdk.src.com.zoho.crm.api.dc import DataCenter
from zohocrmsdk.src.com.zoho.crm.api.record import (
    BodyWrapper,
    Field,
    GetRecordsParam,
    Record,
    RecordOperations,
)
from zohocrmsdk.src.com.zoho.crm.api.user_signature import UserSignature

from zoho_tokenstore.sdk import RepositoryStore

MODULE = "Leads"


def log_in(urls: Sequence[str], token: Any, store: RepositoryStore, folder: str) -> None:
    """Start the SDK; `folder` is where it keeps the fields' metadata."""
    Initializer.initialize(
        environment=DataCenter.Environment(*urls), token=token, store=store, resource_path=folder
    )


def switch_to(token: Any) -> None:
    """Go on as another user."""
    Initializer.switch_user(token=token)


def token_of(**fields: str) -> Any:
    """Return an SDK token with these fields."""
    return OAuthToken(**fields)


def token_of_user(user_name: str) -> Any:
    """Return an SDK token that names a user and brings no credentials at all."""
    return OAuthToken(user_signature=UserSignature(user_name))


def create_lead(last_name: str) -> int:
    """Create a lead; return the HTTP status."""
    lead = Record()
    lead.add_field_value(Field.Leads.last_name(), last_name)
    body = BodyWrapper()
    body.set_data([lead])
    return _status(RecordOperations(MODULE).create_records(body))


def read_leads() -> tuple[int, list[str]]:
    """Return the HTTP status and the names of the leads, sorted."""
    parameters = ParameterMap()
    parameters.add(GetRecordsParam.fields, "Last_Name")
    answer = RecordOperations(MODULE).get_records(parameters, HeaderMap())
    status = _status(answer)
    if status != 200:
        return status, []
    return status, sorted(lead.get_key_value("Last_Name") for lead in answer.get_object().get_data())


def _status(answer: Any) -> int:
    if answer is None:  # the SDK's way of telling that the request could not be sent
        raise RuntimeError("the SDK has no answer")
    return int(answer.get_status_code())
