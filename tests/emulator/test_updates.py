"""Records that are changed, and the custom module that portals keep courses in."""

from __future__ import annotations

import httpx2
import pytest

from tests.emulator.support import Caller, FakeClock

ALGEBRA: dict[str, object] = {"Name": "Algebra", "Credits": 4, "Status": "Enrolled"}


def write(
    caller: Caller, method: str, path: str, access: str, *records: object, version: str = "v8"
) -> httpx2.Response:
    return caller.http.request(
        method,
        f"{caller.zoho.url}/crm/{version}/{path}",
        headers={"Authorization": f"Zoho-oauthtoken {access}"},
        json={"data": list(records)},
    )


def added(caller: Caller, access: str, **changes: object) -> str:
    answer = write(caller, "POST", "Courses", access, {**ALGEBRA, **changes})
    assert answer.status_code == 201
    return str(answer.json()["data"][0]["details"]["id"])


def read(caller: Caller, access: str, number: str) -> dict[str, object]:
    record: dict[str, object] = caller.crm(f"v8/Courses/{number}", access).json()["data"][0]
    return record


@pytest.mark.parametrize("version", ["v2", "v3", "v4", "v5", "v6", "v7", "v8"])
def test_update_answers_as_documented(caller: Caller, version: str) -> None:
    """200 with SUCCESS, `record updated`, and who made and changed the record when."""
    access = caller.log_in()["access_token"]
    number = added(caller, access)
    answer = write(caller, "PUT", f"Courses/{number}", access, {"Credits": 5}, version=version)
    (result,) = answer.json()["data"]
    assert answer.status_code == 200
    assert (result["code"], result["message"], result["status"]) == ("SUCCESS", "record updated", "success")
    assert set(result["details"]) == {"id", "Created_Time", "Modified_Time", "Created_By", "Modified_By"}
    assert set(result["details"]["Modified_By"]) == {"name", "id"}
    assert result["details"]["id"] == number


def test_update_changes_what_it_names(caller: Caller, clock: FakeClock) -> None:
    """Other fields stay; who changed it, and when, is noted; who made it is not touched."""
    maker, changer = caller.zoho.default_users
    number = added(caller, caller.log_in(maker)["access_token"])
    access = caller.log_in(changer)["access_token"]
    before = read(caller, access, number)
    clock.seconds += 60
    write(caller, "PUT", f"Courses/{number}", access, {"Status": "Completed"})
    after = read(caller, access, number)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"Status", "Modified_Time", "Modified_By"}
    assert after["Modified_By"] == {"name": changer.full_name, "id": changer.id, "email": changer.email}
    assert after["Created_By"] == {"name": maker.full_name, "id": maker.id, "email": maker.email}


@pytest.mark.parametrize("name", ["id", "Created_By", "Created_Time", "Modified_By", "Modified_Time"])
def test_update_leaves_read_only_fields(caller: Caller, name: str) -> None:
    """What the server says of a record, no caller changes."""
    access = caller.log_in()["access_token"]
    number = added(caller, access)
    before = read(caller, access, number)
    write(caller, "PUT", f"Courses/{number}", access, {name: "forged"})
    assert read(caller, access, number) == before


def test_many_records_are_updated_by_their_ids(caller: Caller) -> None:
    """Each record has its own outcome: 200 if all are changed."""
    access = caller.log_in()["access_token"]
    numbers = [added(caller, access), added(caller, access)]
    answer = write(caller, "PUT", "Courses", access, *({"id": one, "Term": "Autumn"} for one in numbers))
    assert (answer.status_code, len(answer.json()["data"])) == (200, 2)
    assert [read(caller, access, one)["Term"] for one in numbers] == ["Autumn", "Autumn"]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"id": "1", "Term": "x"}, "INVALID_DATA"),
        ({"Term": "x"}, "MANDATORY_NOT_FOUND"),
        ("nonsense", "INVALID_DATA"),
    ],
)
def test_a_wrong_record_of_many_fails_alone(caller: Caller, wrong: object, code: str) -> None:
    """207, and the right one is changed; 202 if none was."""
    access = caller.log_in()["access_token"]
    number = added(caller, access)
    mixed = write(caller, "PUT", "Courses", access, {"id": number, "Term": "Autumn"}, wrong)
    assert mixed.status_code == 207
    assert [one["code"] for one in mixed.json()["data"]] == ["SUCCESS", code]
    assert read(caller, access, number)["Term"] == "Autumn"
    assert write(caller, "PUT", "Courses", access, wrong).status_code == 202


def test_a_mandatory_field_cannot_be_emptied(caller: Caller) -> None:
    """A course has a name; the refused change leaves the record as it was."""
    access = caller.log_in()["access_token"]
    number = added(caller, access)
    answer = write(caller, "PUT", f"Courses/{number}", access, {"Name": "", "Credits": 1})
    (result,) = answer.json()["data"]
    assert (result["code"], result["details"]["api_name"]) == ("MANDATORY_NOT_FOUND", "Name")
    assert read(caller, access, number)["Credits"] == 4


def test_records_of_another_organisation_cannot_be_changed(caller: Caller) -> None:
    """For a stranger, the id is one that does not exist."""
    stranger = caller.zoho.add_user("eve@other.example", organization="Other")
    ours, theirs = caller.log_in()["access_token"], caller.log_in(stranger)["access_token"]
    number = added(caller, ours)
    answer = write(caller, "PUT", f"Courses/{number}", theirs, {"Name": "Mine"})
    assert answer.json()["data"][0]["code"] == "INVALID_DATA"
    assert read(caller, ours, number)["Name"] == "Algebra"


def test_one_record_is_updated_by_one(caller: Caller) -> None:
    """Two records for one id: 400 INVALID_DATA."""
    access = caller.log_in()["access_token"]
    number = added(caller, access)
    answer = write(caller, "PUT", f"Courses/{number}", access, {"Term": "x"}, {"Term": "y"})
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_DATA")


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        ("ZohoCRM.modules.UPDATE", True),
        ("ZohoCRM.modules.courses.ALL", True),
        ("ZohoCRM.modules.READ", False),
        ("ZohoCRM.modules.leads.ALL", False),
    ],
)
def test_update_needs_the_scope(caller: Caller, scope: str, allowed: bool) -> None:
    """401 OAUTH_SCOPE_MISMATCH without `UPDATE` for the module."""
    number = added(caller, caller.log_in()["access_token"])
    access = caller.log_in(scopes=[scope])["access_token"]
    answer = write(caller, "PUT", f"Courses/{number}", access, {"Term": "x"})
    assert answer.status_code == (200 if allowed else 401)


def test_courses_are_a_custom_module(caller: Caller) -> None:
    """Its metadata has the fields that a form needs: a mandatory name, a number, a list of choices."""
    access = caller.log_in()["access_token"]
    fields = caller.crm("v8/settings/fields?module=Courses", access).json()["fields"]
    known = {field["api_name"]: field for field in fields}
    assert {"Name", "Instructor", "Credits", "Term", "Status", "Notes"} <= set(known)
    assert (known["Name"]["system_mandatory"], known["Credits"]["json_type"]) == (True, "integer")
    choices = [choice["actual_value"] for choice in known["Status"]["pick_list_values"]]
    assert choices == ["Enrolled", "Wait-listed", "Completed"]
    modules = caller.crm("v8/settings/modules", access).json()["modules"]
    kinds = {module["api_name"]: module["generated_type"] for module in modules}
    assert (kinds["Courses"], kinds["Leads"]) == ("custom", "default")


def test_updates_can_fail_on_demand(caller: Caller) -> None:
    """A fault for `update` meets no other write."""
    access = caller.log_in()["access_token"]
    number = added(caller, access)
    caller.zoho.fault("update", "status", times=1, status=503)
    assert added(caller, access)
    assert write(caller, "PUT", f"Courses/{number}", access, {"Term": "x"}).status_code == 503
    assert read(caller, access, number).get("Term") is None
