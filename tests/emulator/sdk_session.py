"""A session with the real SDK, run as a process of its own, since the SDK keeps its state in globals.

Arguments: base URL, accounts URL, file URL; client id, client secret and grant code come on stdin.
Prints JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
from zohocrmsdk.src.com.zoho.api.authenticator.store import FileStore
from zohocrmsdk.src.com.zoho.crm.api import HeaderMap, ParameterMap
from zohocrmsdk.src.com.zoho.crm.api.dc.data_center import DataCenter
from zohocrmsdk.src.com.zoho.crm.api.initializer import Initializer
from zohocrmsdk.src.com.zoho.crm.api.record import (
    BodyWrapper,
    Field,
    GetRecordsParam,
    Record,
    RecordOperations,
)
from zohocrmsdk.src.com.zoho.crm.api.users import UsersOperations


def main() -> None:
    """Log in, create a lead, read it, list the users."""
    client_id, client_secret, code = sys.stdin.read().split()
    token = OAuthToken(client_id=client_id, client_secret=client_secret, grant_token=code)
    folder = Path.cwd()
    Initializer.initialize(
        environment=DataCenter.Environment(*sys.argv[1:4]),
        token=token,
        store=FileStore(str(folder / "tokens.txt")),
        resource_path=str(folder),
    )
    print(json.dumps({"user_name": token.get_user_signature().get_name(), **create(), **read(), **users()}))


def create() -> dict[str, object]:
    """Create a lead."""
    lead = Record()
    lead.add_field_value(Field.Leads.last_name(), "Kumar")
    body = BodyWrapper()
    body.set_data([lead])
    answer = RecordOperations("Leads").create_records(body)
    results = answer.get_object().get_data()
    return {"created": answer.get_status_code(), "statuses": [r.get_status().get_value() for r in results]}


def read() -> dict[str, object]:
    """Read the leads."""
    parameters = ParameterMap()
    parameters.add(GetRecordsParam.fields, "Last_Name,Created_By,Created_Time")
    answer = RecordOperations("Leads").get_records(parameters, HeaderMap())
    leads = answer.get_object().get_data()
    return {"leads": [[lead.get_key_value("Last_Name"), lead.get_created_by().get_name()] for lead in leads]}


def users() -> dict[str, object]:
    """List the users."""
    answer = UsersOperations().get_users(ParameterMap(), HeaderMap())
    return {"users": [user.get_email() for user in answer.get_object().get_users()]}


if __name__ == "__main__":
    main()
