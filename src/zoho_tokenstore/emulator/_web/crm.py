"""The CRM API, path versions v2 to v8, and v2.1."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from zoho_tokenstore.emulator._model import AccessToken, Organization, User
from zoho_tokenstore.emulator._modules import MODULES, Module, field_metadata, module_metadata
from zoho_tokenstore.emulator._records import Record, RecordResult, iso_time
from zoho_tokenstore.emulator._refusals import crm_refusal
from zoho_tokenstore.emulator._web.bearer import Guard
from zoho_tokenstore.emulator._web.call import Answer, Call
from zoho_tokenstore.emulator._zoho import Zoho

VERSIONS = ("v2", "v2.1", "v3", "v4", "v5", "v6", "v7", "v8")

_FIELDS_REQUIRED_IN = "v8"
_MAX_PER_PAGE = 200
_GUARD = Guard("crm", "ZohoCRM")
_JOINED = 1_700_000_000


def users(zoho: Zoho, call: Call) -> Answer:
    """Answer `GET users`: the token's user, or all of the organisation with another `type`."""
    me = _acting_user(zoho, call, ("users",), "READ")
    chosen = [me] if call.query.get("type") == "CurrentUser" else zoho.directory.members(me.zgid)
    return Answer(
        json={"users": [_user(user) for user in chosen], "info": _info(1, _MAX_PER_PAGE, chosen, chosen)}
    )


def org(zoho: Zoho, call: Call) -> Answer:
    """Answer `GET org`."""
    me = _acting_user(zoho, call, ("org",), "READ")
    return Answer(json={"org": [_organization(me.organization)]})


def modules(zoho: Zoho, call: Call) -> Answer:
    """Answer `GET settings/modules`."""
    _acting_user(zoho, call, ("settings", "settings.modules"), "READ")
    return Answer(json={"modules": module_metadata()})


def fields(zoho: Zoho, call: Call) -> Answer:
    """Answer `GET settings/fields?module=…`."""
    _acting_user(zoho, call, ("settings", "settings.fields"), "READ")
    if "module" not in call.query:
        raise _missing_parameter("module")
    return Answer(json={"fields": field_metadata(_module(call.query["module"]))})


def records(zoho: Zoho, call: Call) -> Answer:
    """Answer `GET {Module}`: the organisation's records, newest first; 204 when there is none."""
    me, module = _acting_on(zoho, call, "READ")
    if call.path["version"] == _FIELDS_REQUIRED_IN and not call.query.get("fields"):
        raise _missing_parameter("fields")
    found = zoho.records.all(me.zgid, module.api_name)
    page, size = _positive(call, "page", 1), min(_positive(call, "per_page", _MAX_PER_PAGE), _MAX_PER_PAGE)
    shown = found[(page - 1) * size : page * size]
    if not shown:
        return Answer(204)
    data = [_chosen(record, call.query.get("fields")) for record in shown]
    return Answer(json={"data": data, "info": _info(page, size, shown, found)})


def record(zoho: Zoho, call: Call) -> Answer:
    """Answer `GET {Module}/{id}`; 204 when there is none."""
    me, module = _acting_on(zoho, call, "READ")
    found = zoho.records.get(me.zgid, module.api_name, call.path["id"])
    if found is None:
        return Answer(204)
    return Answer(json={"data": [_chosen(found, call.query.get("fields"))]})


def create(zoho: Zoho, call: Call) -> Answer:
    """Answer `POST {Module}`: 201, 207 when some records failed, 202 when all did."""
    me, module = _acting_on(zoho, call, "CREATE")
    return _written([zoho.records.create(me, module, values) for values in _data(call)], 201)


def update(zoho: Zoho, call: Call) -> Answer:
    """Answer `PUT {Module}/{id}`: 200, or 202 when the record was not changed."""
    me, module = _acting_on(zoho, call, "UPDATE")
    data = _data(call)
    if len(data) > 1:
        raise crm_refusal("INVALID_DATA", 400, "data takes one record")
    return _written([zoho.records.update(me, module, call.path["id"], data[0])], 200)


def update_many(zoho: Zoho, call: Call) -> Answer:
    """Answer `PUT {Module}`, where each record says its id: 200, 207 or 202 as for new ones."""
    me, module = _acting_on(zoho, call, "UPDATE")
    return _written([zoho.records.update(me, module, _id_of(values), values) for values in _data(call)], 200)


def nothing(_zoho: Zoho, _call: Call) -> Answer:
    """Answer a path that does not exist."""
    raise crm_refusal("INVALID_URL_PATTERN")


def _acting_user(zoho: Zoho, call: Call, areas: tuple[str, ...], operation: str) -> User:
    return _GUARD.permit(zoho, _authenticate(zoho, call), areas, operation)


def _acting_on(zoho: Zoho, call: Call, operation: str) -> tuple[User, Module]:
    token = _authenticate(zoho, call)
    module = _module(call.path["module"])
    areas = ("modules", f"modules.{module.api_name}")
    return _GUARD.permit(zoho, token, areas, operation), module


def _authenticate(zoho: Zoho, call: Call) -> AccessToken:
    if call.path["version"] not in VERSIONS:
        raise crm_refusal("INVALID_URL_PATTERN")
    return _GUARD.authenticate(zoho, call)


def _module(name: str) -> Module:
    if name not in MODULES:
        message = "the module name given seems to be invalid"
        raise crm_refusal("INVALID_MODULE", 400, message)
    return MODULES[name]


def _positive(call: Call, name: str, default: int) -> int:
    text = call.query.get(name, str(default))
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) < 1:
        raise crm_refusal("INVALID_DATA", 400, "invalid data", {"param_name": name})
    return int(text)


def _missing_parameter(name: str) -> Exception:
    message = "One of the expected parameter is missing"
    return crm_refusal("REQUIRED_PARAM_MISSING", 400, message, {"param_name": name})


def _data(call: Call) -> list[object]:
    try:
        data = json.loads(call.body)["data"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise crm_refusal("INVALID_DATA", 400, "body") from error
    if not isinstance(data, list) or not 1 <= len(data) <= 100:
        raise crm_refusal("INVALID_DATA", 400, "data takes 1 to 100 records")
    return data


def _chosen(record: Record, names: str | None) -> Record:
    if not names:
        return record
    wanted = {name.strip() for name in names.split(",")} | {"id", "Created_By"}
    return {name: value for name, value in record.items() if name in wanted}


def _info(
    page: int, size: int, shown: list[Record] | list[User], found: list[Record] | list[User]
) -> Mapping[str, object]:
    return {
        "per_page": size,
        "count": len(shown),
        "page": page,
        "more_records": page * size < len(found),
        "sort_by": "id",
        "sort_order": "desc",
    }


def _written(outcomes: list[RecordResult], success: int) -> Answer:
    done = sum(outcome.done for outcome in outcomes)
    status = success if done == len(outcomes) else 207 if done else 202
    return Answer(status, json={"data": [outcome.body for outcome in outcomes]})


def _id_of(values: object) -> object:
    return values.get("id") if isinstance(values, Mapping) else None


def _user(user: User) -> dict[str, object]:
    first, _, last = user.full_name.rpartition(" ")
    return {
        "id": user.id,
        "email": user.email,
        "full_name": user.full_name,
        "first_name": first,
        "last_name": last,
        "zuid": user.id[-9:],
        "status": "active",
        "confirm": True,
        "created_time": iso_time(_JOINED),
        "role": {"name": "CEO", "id": "5545974000000026005"},
        "profile": {"name": "Administrator", "id": "5545974000000026011"},
    }


def _organization(organization: Organization) -> dict[str, object]:
    return {
        "id": organization.id,
        "zgid": organization.zgid,
        "company_name": organization.name,
        "country_code": "IN",
        "iso_code": "INR",
        "time_zone": "Asia/Kolkata",
    }
