"""The CRM modules the emulator offers, and their fields' metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a module."""

    api_name: str
    data_type: str = "text"
    json_type: str = "string"
    mandatory: bool = False
    read_only: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Module:
    """A module with its own fields; the common ones are added."""

    api_name: str
    singular: str
    own: tuple[Field, ...]
    custom: bool = False

    @property
    def fields(self) -> tuple[Field, ...]:
        """All fields of the module."""
        return (*self.own, *_COMMON)


_COMMON = (
    Field("Owner", "ownerlookup", "jsonobject"),
    Field("Description", "textarea"),
    Field("Created_By", "ownerlookup", "jsonobject", read_only=True),
    Field("Modified_By", "ownerlookup", "jsonobject", read_only=True),
    Field("Created_Time", "datetime", read_only=True),
    Field("Modified_Time", "datetime", read_only=True),
)
_SOURCES = ("-None-", "Advertisement", "Cold Call", "Employee Referral", "Web Download")
_STATUSES = ("Enrolled", "Wait-listed", "Completed")
_PERSON = (
    Field("Last_Name", mandatory=True),
    Field("First_Name"),
    Field("Email", "email"),
    Field("Phone", "phone"),
    Field("Lead_Source", "picklist", choices=_SOURCES),
)

MODULES: Mapping[str, Module] = {
    "Leads": Module("Leads", "Lead", (*_PERSON, Field("Company"), Field("City"))),
    "Contacts": Module("Contacts", "Contact", (*_PERSON, Field("Department"))),
    "Accounts": Module(
        "Accounts", "Account", (Field("Account_Name", mandatory=True), Field("Phone", "phone"))
    ),
    "Deals": Module("Deals", "Deal", (Field("Deal_Name", mandatory=True), Field("Stage"))),
    "Courses": Module(
        "Courses",
        "Course",
        (
            Field("Name", mandatory=True),
            Field("Instructor"),
            Field("Credits", "integer", "integer"),
            Field("Term"),
            Field("Status", "picklist", choices=_STATUSES),
            Field("Notes", "textarea"),
        ),
        custom=True,
    ),
}
"""The standard modules that portals use most, and a custom one, as an organisation can make it in the CRM."""


def field_metadata(module: Module) -> list[dict[str, object]]:
    """Return the fields in the form of `settings/fields`."""
    start = 5_545_974_000_000_100_000 + 1000 * list(MODULES).index(module.api_name)
    return [_describe_field(field, str(start + n)) for n, field in enumerate(module.fields)]


def module_metadata() -> list[dict[str, object]]:
    """Return the modules in the form of `settings/modules`."""
    start = 5_545_974_000_000_200_000
    return [_describe_module(module, str(start + n)) for n, module in enumerate(MODULES.values())]


def _describe_field(field: Field, number: str) -> dict[str, object]:
    return {
        "id": number,
        "api_name": field.api_name,
        "field_label": field.api_name.replace("_", " "),
        "display_label": field.api_name.replace("_", " "),
        "data_type": field.data_type,
        "json_type": field.json_type,
        "length": 255,
        "system_mandatory": field.mandatory,
        "read_only": field.read_only,
        "field_read_only": field.read_only,
        "visible": True,
        "custom_field": False,
        "pick_list_values": [_describe_choice(choice) for choice in field.choices],
    }


def _describe_choice(choice: str) -> dict[str, object]:
    return {"display_value": choice, "actual_value": choice}


def _describe_module(module: Module, number: str) -> dict[str, object]:
    return {
        "id": number,
        "api_name": module.api_name,
        "module_name": module.api_name,
        "singular_label": module.singular,
        "plural_label": module.api_name,
        "generated_type": "custom" if module.custom else "default",
        "api_supported": True,
        "creatable": True,
        "editable": True,
        "deletable": False,
        "viewable": True,
    }
