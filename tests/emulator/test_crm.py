"""The CRM, as far as the SDKs and their users' tests need it."""

from __future__ import annotations

import pytest

from tests.emulator.support import Caller

ALL = ["ZohoCRM.modules.ALL", "ZohoCRM.settings.ALL", "ZohoCRM.users.ALL", "ZohoCRM.org.ALL"]


@pytest.mark.parametrize("version", ["v2", "v3", "v4", "v5", "v6", "v7", "v8"])
def test_current_user_and_organisation(caller: Caller, version: str) -> None:
    """Every version answers with numeric ids as text, and the organisation's zgid as text."""
    user = caller.zoho.default_users[0]
    access = caller.log_in(user)["access_token"]
    me = caller.crm(f"{version}/users?type=CurrentUser", access).json()["users"]
    home = caller.crm(f"{version}/org", access).json()["org"]
    assert [(one["email"], one["id"].isdigit()) for one in me] == [(user.email, True)]
    assert [one["zgid"] for one in home] == [user.zgid]
    assert user.user_name == f"{user.email}:{user.zgid}"


@pytest.mark.parametrize("version", ["v1", "v9", "v", "v88", "v2.2"])
def test_other_versions_are_invalid_urls(caller: Caller, version: str) -> None:
    """INVALID_URL_PATTERN comes with 404 and the envelope code, details, message, status."""
    answer = caller.crm(f"{version}/org", caller.log_in()["access_token"])
    assert answer.status_code == 404
    assert answer.json()["code"] == "INVALID_URL_PATTERN"
    assert set(answer.json()) == {"code", "details", "message", "status"}
    assert answer.json()["status"] == "error"


def test_unknown_path_is_an_invalid_url(caller: Caller) -> None:
    """Nothing else is emulated."""
    assert caller.crm("v8/coql/what/ever", "x").json()["code"] == "INVALID_URL_PATTERN"


@pytest.mark.parametrize("header", ["", "Zoho-oauthtoken", "Basic abc", "Zoho-oauthtoken1000.x"])
def test_odd_header_is_an_authentication_failure(caller: Caller, header: str) -> None:
    """Without a proper Authorization header: 401 AUTHENTICATION_FAILURE."""
    answer = caller.http.get(f"{caller.zoho.url}/crm/v8/org", headers={"Authorization": header})
    assert (answer.status_code, answer.json()["code"]) == (401, "AUTHENTICATION_FAILURE")
    assert answer.json()["message"] == "Authentication failed"


def test_bearer_works_too(caller: Caller) -> None:
    """Zoho's newer pages show Bearer."""
    headers = {"Authorization": f"Bearer {caller.log_in()['access_token']}"}
    assert caller.http.get(f"{caller.zoho.url}/crm/v8/org", headers=headers).status_code == 200


def test_unknown_token_is_invalid(caller: Caller) -> None:
    """401 INVALID_TOKEN, `invalid oauth token`."""
    answer = caller.crm("v8/org", "1000.unknown")
    assert (answer.status_code, answer.json()["code"]) == (401, "INVALID_TOKEN")
    assert answer.json()["message"] == "invalid oauth token"


def test_expired_tokens_are_invalid_for_that_user_only(caller: Caller) -> None:
    """expire_access_tokens makes the next call of one user an INVALID_TOKEN."""
    users = caller.zoho.default_users
    tokens = [caller.log_in(user) for user in users]
    assert caller.zoho.expire_access_tokens(users[0]) == 1
    statuses = [caller.crm("v8/org", one["access_token"]).status_code for one in tokens]
    assert statuses == [401, 200]
    assert caller.zoho.is_live(tokens[0]["refresh_token"])


@pytest.mark.parametrize(
    ("scope", "path", "allowed"),
    [
        ("ZohoCRM.users.READ", "v8/users?type=CurrentUser", True),
        ("ZohoCRM.users.ALL", "v8/users?type=CurrentUser", True),
        ("ZohoCRM.modules.ALL", "v8/users?type=CurrentUser", False),
        ("ZohoCRM.org.READ", "v8/org", True),
        ("ZohoCRM.users.ALL", "v8/org", False),
        ("ZohoCRM.modules.leads.READ", "v8/Leads?fields=Email", True),
        ("ZohoCRM.modules.READ", "v8/Leads?fields=Email", True),
        ("ZohoCRM.modules.contacts.ALL", "v8/Leads?fields=Email", False),
        ("ZohoCRM.modules.CREATE", "v8/Leads?fields=Email", False),
        ("ZohoCRM.settings.fields.READ", "v8/settings/fields?module=Leads", True),
        ("ZohoCRM.settings.modules.READ", "v8/settings/fields?module=Leads", False),
        ("ZohoCRM.settings.modules.READ", "v8/settings/modules", True),
    ],
)
def test_scopes_are_checked(caller: Caller, scope: str, path: str, allowed: bool) -> None:
    """A token without the scope: 401 OAUTH_SCOPE_MISMATCH."""
    answer = caller.crm(path, caller.log_in(scopes=[scope])["access_token"])
    if allowed:
        assert answer.status_code in (200, 204)
    else:
        assert (answer.status_code, answer.json()["code"]) == (401, "OAUTH_SCOPE_MISMATCH")


def test_created_record_tells_who_made_it(caller: Caller) -> None:
    """201 with a status per record; Created_By names the token's user."""
    access = caller.log_in(caller.zoho.default_users[1])["access_token"]
    answer = caller.create(access, {"Last_Name": "Kumar", "Company": "Zylker"})
    assert answer.status_code == 201
    result = answer.json()["data"][0]
    assert (result["code"], result["status"]) == ("SUCCESS", "success")
    made = caller.crm(f"v8/Leads/{result['details']['id']}", access).json()["data"][0]
    assert made["Last_Name"] == "Kumar"
    assert made["Created_By"]["id"] == caller.zoho.default_users[1].id


def test_callers_cannot_forge_who_made_a_record(caller: Caller) -> None:
    """Created_By is the server's word."""
    access = caller.log_in()["access_token"]
    answer = caller.create(access, {"Last_Name": "x", "Created_By": {"name": "Other", "id": "1"}})
    assert answer.json()["data"][0]["details"]["Created_By"]["id"] == caller.zoho.default_users[0].id


@pytest.mark.parametrize(("good", "bad", "status"), [(1, 0, 201), (1, 1, 207), (0, 2, 202)])
def test_batch_status(caller: Caller, good: int, bad: int, status: int) -> None:
    """201 when all were added, 207 when some were, 202 when none was."""
    right: dict[str, object] = {"Last_Name": "x"}
    wrong: dict[str, object] = {"Company": "no name"}
    batch = [right] * good + [wrong] * bad
    answer = caller.create(caller.log_in()["access_token"], *batch)
    assert answer.status_code == status
    codes = [one["code"] for one in answer.json()["data"]]
    assert codes == ["SUCCESS"] * good + ["MANDATORY_NOT_FOUND"] * bad


def test_records_belong_to_the_organisation(caller: Caller) -> None:
    """Colleagues see each other's records; another organisation does not."""
    ours = [caller.log_in(user)["access_token"] for user in caller.zoho.default_users]
    stranger = caller.zoho.add_user("eve@other.example", organization="Other")
    theirs = caller.log_in(stranger)["access_token"]
    number = caller.create(ours[0], {"Last_Name": "x"}).json()["data"][0]["details"]["id"]
    assert caller.crm(f"v8/Leads/{number}", ours[1]).status_code == 200
    assert caller.crm(f"v8/Leads/{number}", theirs).status_code == 204
    assert caller.crm("v8/Leads?fields=Email", theirs).status_code == 204


def test_no_records_is_204(caller: Caller) -> None:
    """An empty module: 204 without a body."""
    answer = caller.crm("v8/Leads?fields=Last_Name", caller.log_in()["access_token"])
    assert (answer.status_code, answer.content) == (204, b"")


def test_version_8_wants_fields(caller: Caller) -> None:
    """v8 requires `fields`; earlier versions do not."""
    access = caller.log_in()["access_token"]
    answer = caller.crm("v8/Leads", access)
    assert (answer.status_code, answer.json()["code"]) == (400, "REQUIRED_PARAM_MISSING")
    assert caller.crm("v7/Leads", access).status_code == 204


def test_fields_choose_what_is_told(caller: Caller) -> None:
    """Only the fields asked for, the id and the maker."""
    access = caller.log_in()["access_token"]
    caller.create(access, {"Last_Name": "x", "Company": "y"})
    record = caller.crm("v8/Leads?fields=Company", access).json()["data"][0]
    assert set(record) == {"Company", "id", "Created_By"}


def test_paging(caller: Caller) -> None:
    """per_page, page, count and more_records; newest first."""
    access = caller.log_in()["access_token"]
    leads: list[dict[str, object]] = [{"Last_Name": str(n)} for n in range(5)]
    caller.create(access, *leads)
    pages = [caller.crm(f"v8/Leads?fields=Last_Name&per_page=2&page={n}", access).json() for n in (1, 2, 3)]
    names = [[record["Last_Name"] for record in page["data"]] for page in pages]
    assert names == [["4", "3"], ["2", "1"], ["0"]]
    assert [page["info"]["more_records"] for page in pages] == [True, True, False]
    assert [page["info"]["count"] for page in pages] == [2, 2, 1]
    assert caller.crm("v8/Leads?fields=Last_Name&per_page=2&page=4", access).status_code == 204


@pytest.mark.parametrize("query", ["page=0", "page=x", "per_page=-1"])
def test_wrong_paging_is_invalid_data(caller: Caller, query: str) -> None:
    """A page is a number from 1."""
    answer = caller.crm(f"v8/Leads?fields=Email&{query}", caller.log_in()["access_token"])
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_DATA")


def test_field_metadata_has_what_the_sdk_reads(caller: Caller) -> None:
    """Every field has the names, types and lists that the SDKs parse."""
    answer = caller.crm("v8/settings/fields?module=Leads", caller.log_in()["access_token"])
    fields = {field["api_name"]: field for field in answer.json()["fields"]}
    needed = {"id", "api_name", "data_type", "json_type", "field_label", "length", "system_mandatory"}
    assert all(needed <= set(field) for field in fields.values())
    assert fields["Last_Name"]["system_mandatory"]
    assert fields["Lead_Source"]["pick_list_values"]


def test_module_metadata_has_what_the_sdk_reads(caller: Caller) -> None:
    """Every module has api_name, api_supported and generated_type."""
    answer = caller.crm("v8/settings/modules", caller.log_in()["access_token"])
    needed = {"api_name", "api_supported", "generated_type"}
    assert all(needed <= set(module) for module in answer.json()["modules"])


@pytest.mark.parametrize("path", ["v8/Nothing?fields=x", "v8/settings/fields?module=Nothing"])
def test_unknown_module(caller: Caller, path: str) -> None:
    """A module that is not there: 400 INVALID_MODULE."""
    answer = caller.crm(path, caller.log_in()["access_token"])
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_MODULE")


def test_settings_want_a_module(caller: Caller) -> None:
    """`module` is required."""
    answer = caller.crm("v8/settings/fields", caller.log_in()["access_token"])
    assert answer.json()["code"] == "REQUIRED_PARAM_MISSING"


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b'{"data": []}', b'{"data": {"a": 1}}'])
def test_malformed_body_is_invalid_data(caller: Caller, body: bytes) -> None:
    """A write needs a list of records under `data`."""
    headers = {"Authorization": f"Zoho-oauthtoken {caller.log_in()['access_token']}"}
    answer = caller.http.post(f"{caller.zoho.url}/crm/v8/Leads", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_DATA")


def test_users_of_the_organisation(caller: Caller) -> None:
    """Another type than CurrentUser lists everybody."""
    answer = caller.crm("v8/users?type=AllUsers", caller.log_in(scopes=ALL)["access_token"])
    emails = [user["email"] for user in answer.json()["users"]]
    assert emails == [user.email for user in caller.zoho.default_users]
