"""What a scope permits, in words, for whoever is asked to grant it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_VERBS: Final[Mapping[str, str]] = {
    "all": "See, add, change and delete",
    "read": "See",
    "create": "Add",
    "write": "Add and change",
    "update": "Change",
    "delete": "Delete",
}
_THINGS: Final[Mapping[str, str]] = {
    "modules": "records of all modules",
    "settings": "settings, such as fields and layouts",
    "users": "users",
    "org": "the organisation's details",
    "bulk": "records in bulk",
    "files": "files",
    "notifications": "notifications",
    "tickets": "tickets",
    "contacts": "contacts",
    "basic": "basic details",
}
_SERVICES: Final[Mapping[str, str]] = {
    "zohocrm": "CRM",
    "zohobooks": "Books",
    "desk": "Desk",
    "zohofiles": "Files",
}
_LOGIN: Final[Mapping[str, str]] = {
    "openid": "Know who you are",
    "email": "See your e-mail address",
    "profile": "See your name",
}


def in_words(scope: str) -> str | None:
    """Return what a scope permits, or `None` if it is none of the usual ones."""
    match scope.lower().split("."):
        case [word]:
            return _LOGIN.get(word)
        case ["zohobooks", "fullaccess", "all"]:
            return "Books: everything"
        case [service, area, verb]:
            return _sentence(service, verb, _THINGS.get(area))
        case [service, "modules", _, verb]:
            return _sentence(service, verb, f"records of {scope.split('.')[2]}")
        case [service, "settings", area, verb]:
            return _sentence(service, verb, f"{area} in the settings")
    return None


def _sentence(service: str, verb: str, thing: str | None) -> str | None:
    if service not in _SERVICES or verb not in _VERBS or thing is None:
        return None
    return f"{_SERVICES[service]}: {_VERBS[verb].lower()} {thing}"
