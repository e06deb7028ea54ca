"""A database of Django as one of our stores: the same place, with connections of its own.

A renewal must outlast the request that needed it: Zoho has ended the old token. On Django's connection it
would be rolled back with the request's transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.views.decorators.debug import sensitive_variables

IN_MEMORY: Final = "memory://"

_DJANGOS: Final = {
    "postgresql": {"client_encoding", "cursor_factory", "isolation_level", "pool", "server_side_binding"},
    "mysql": {
        *("charset", "client_flag", "connect_timeout", "conv", "cursorclass", "init_command"),
        *("isolation_level", "read_timeout", "sql_mode", "use_unicode", "write_timeout"),
    },
}
"""Options that are about Django's own connections, not about the server."""

_SPECIAL: Final = set("?#@/")
_MYSQL: Final = {"read_default_file", "read_default_group", "unix_socket", "program_name"}
_MYSQL_TLS: Final = {"ca", "cert", "key"}


@sensitive_variables()
def url_of(alias: str) -> str:
    """Return the URL of the store in a database of Django; `IN_MEMORY` for one in memory, as in tests.

    Raises:
        ImproperlyConfigured: there is no such database, or it cannot be a store. No value is shown.
    """
    if alias not in connections:
        raise ImproperlyConfigured(f"ZOHO_LOGIN: STORE is neither a URL nor in DATABASES: {alias!r}.")
    connection = connections[alias]
    place = connection.settings_dict
    if connection.vendor == "sqlite":
        return _sqlite(str(place["NAME"]), place["OPTIONS"])
    if connection.vendor not in _DJANGOS:
        raise ImproperlyConfigured(
            f"ZOHO_LOGIN: the database {alias!r} is of the kind {connection.vendor}, which holds no logins. "
            "Give STORE the URL of a store."
        )
    return _server(connection.vendor, place, dict(_options_of(connection.vendor, place["OPTIONS"])))


def is_in_memory(alias: str) -> bool:
    """Return whether a database of Django is SQLite's in memory, which only Django's connections reach."""
    return connections[alias].vendor == "sqlite" and url_of(alias) == IN_MEMORY


def _sqlite(name: str, options: Mapping[str, Any]) -> str:
    if name == ":memory:" or "mode=memory" in name:
        return IN_MEMORY
    if name.startswith("file:"):
        raise ImproperlyConfigured("ZOHO_LOGIN: the NAME of a SQLite database must be a path, not a URL.")
    timeout = options.get("timeout")
    return f"sqlite:///{quote(str(Path(name).absolute()))}" + (f"?timeout={timeout}" if timeout else "")


@sensitive_variables()
def _server(scheme: str, place: Mapping[str, Any], options: dict[str, str]) -> str:
    name = str(place["NAME"] or "")
    if _SPECIAL & set(name):
        raise ImproperlyConfigured("ZOHO_LOGIN: the NAME of a store's database must have none of ? # @ /.")
    user = quote(str(place["USER"] or ""), safe="")
    if place["PASSWORD"]:
        user += f":{quote(str(place['PASSWORD']), safe='')}"
    address = _address(scheme, str(place["HOST"] or ""), str(place["PORT"] or ""), options)
    query = f"?{urlencode(options)}" if options else ""
    return f"{scheme}://{user}{'@' if user else ''}{address}/{name}{query}"


def _address(scheme: str, host: str, port: str, options: dict[str, str]) -> str:
    """Return host and port for a URL, or put what is none into the driver's options."""
    if "/" in host or "," in host:  # a socket, or several hosts
        options["unix_socket" if scheme == "mysql" else "host"] = host
        host = ""
    if host or scheme == "mysql":
        named = f"[{host}]" if ":" in host else host or "localhost"
        return f"{named}:{port}" if port else named
    if port:
        options["port"] = port
    return ""


def _options_of(vendor: str, options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    djangos = _DJANGOS[vendor]
    given = {name: value for name, value in options.items() if name not in djangos and value is not None}
    if vendor == "mysql":
        return _mysql_options(given)
    role = given.pop("assume_role", None)
    if role:
        given["options"] = f"{given.get('options', '')} -crole={role}".strip()
    return ((name, str(value)) for name, value in given.items())


def _mysql_options(given: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the options of PyMySQL; one that it lacks is refused: it might be what makes the way safe."""
    tls = given.pop("ssl", None) or {}
    unknown = sorted({*given} - _MYSQL) + sorted(f"ssl.{name}" for name in {*tls} - _MYSQL_TLS)
    if unknown:
        raise ImproperlyConfigured(
            f"ZOHO_LOGIN: a store in MySQL cannot use the OPTIONS {', '.join(unknown)} of DATABASES. "
            "Give STORE a URL."
        )
    yield from ((name, str(value)) for name, value in given.items())
    yield from ((f"ssl_{name}", str(value)) for name, value in tls.items() if value is not None)
