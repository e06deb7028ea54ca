"""The custom module of the local Zoho with every SDK: its fields are read, its records added and changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from zohocrmsdk.src.com.zoho.crm.api import HeaderMap, ParameterMap
from zohocrmsdk.src.com.zoho.crm.api.record import BodyWrapper, GetRecordsParam, Record, RecordOperations
from zohocrmsdk.src.com.zoho.crm.api.util import Choice

from tests.sdk import app
from tests.sdk.generation import SDK
from zoho_tokenstore import Client, RefreshToken, SQLiteStore
from zoho_tokenstore.emulator import Emulator

MODULE = "Courses"


@pytest.fixture(autouse=True)
def _patricia(zoho: Emulator, tmp_path: Path) -> Iterator[None]:
    """Everything here is done as the first user."""
    client = Client(zoho.default_client.client_id, zoho.default_client.client_secret)
    with SQLiteStore(tmp_path / "tokens.db") as store:
        store.initialize_sdk(app.environment(zoho.environment_args()), resource_path=str(tmp_path))
        credentials = RefreshToken(zoho.mint_refresh_token())
        login = store.tokens.log_in(client, credentials, user_name="patricia", api_domain=zoho.url)
        with store.tokens.acting_as(login.id or ""):
            yield


def operations() -> Any:
    """Return the SDK's operations; SDK 5 names the module at each call."""
    return RecordOperations() if SDK.api == 5 else RecordOperations(MODULE)


def body(**values: Any) -> Any:
    record = Record()
    for name, value in values.items():
        record.add_key_value(name, value)
    wrapper = BodyWrapper()
    wrapper.set_data([record])
    return wrapper


def outcome(answer: Any) -> tuple[int, str, str]:
    (result,) = answer.get_object().get_data()
    return answer.get_status_code(), result.get_status().get_value(), str(result.get_details()["id"])


def courses() -> list[Any]:
    parameters = ParameterMap()
    parameters.add(GetRecordsParam.fields, "Name,Credits,Status,Owner")
    module = [MODULE] if SDK.api == 5 else []
    records: list[Any] = operations().get_records(*module, parameters, HeaderMap()).get_object().get_data()
    return records


def test_a_course_is_added_and_changed(zoho: Emulator) -> None:
    """By the fields' metadata, a number stays a number and a choice a choice; Zoho says who did it."""
    module = [MODULE] if SDK.api == 5 else []
    new = body(Name="Algebra", Credits=4, Status=Choice("Enrolled"))
    status, success, number = outcome(operations().create_records(*module, new))
    assert (status, success) == (201, "success")
    changes = body(Credits=6, Status=Choice("Completed"))
    changed = outcome(operations().update_record(int(number), *module, changes))
    assert changed == (200, "success", number)
    (course,) = courses()
    seen = [course.get_key_value(name) for name in ("Name", "Credits")]
    assert (seen, course.get_key_value("Status").get_value()) == (["Algebra", 6], "Completed")
    assert course.get_key_value("Owner").get_id() == int(zoho.default_users[0].id)
    assert zoho.counters().requests["update"] == {"ok": 1}
