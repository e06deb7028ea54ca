"""The URL of a store: redis-py parses hosts, logins and databases; options and Sentinel's form are ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, quote, unquote

from redis import connection

from zoho_tokenstore._util.urls import options_of, parts_of, seconds
from zoho_tokenstore.errors import ConfigurationError

_FORMS: Final = (
    "It looks like redis://localhost:6379/0, redis+sentinel://host1:26379,host2:26379/service/0 "
    "or redis+cluster://host1:6379,host2:6379; with TLS each begins with rediss."
)
_PATHS: Final = {
    "": re.compile(r"/?(?P<database>\d*)/?", re.ASCII),
    "sentinel": re.compile(r"/(?P<service>[^/]+)(/(?P<database>\d*))?/?", re.ASCII),
    "cluster": re.compile(r"/?(?P<database>0?)/?"),
}
_SENTINEL_OPTIONS: Final = ("sentinel_username", "sentinel_password")
_TLS_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_TLS_OPTIONS: Final = (*_TLS_FILES, "ssl_ca_path", "ssl_password", "ssl_cert_reqs", "ssl_check_hostname")
_SWITCH: Final = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


@dataclass(frozen=True)
class RedisSettings:
    """Everything that a store is opened with. Its `repr` shows no password.

    `urls` has a redis-py URL for each host; `extra` the options for TLS and Sentinels.
    """

    kind: str
    urls: tuple[str, ...] = field(repr=False)
    service: str
    prefix: str
    timeout: float
    allow_eviction: bool
    extra: Mapping[str, Any] = field(repr=False)

    @property
    def tls(self) -> bool:
        """Whether the servers speak TLS."""
        return self.urls[0].startswith("rediss:")

    @property
    def login(self) -> dict[str, str]:
        """The user name and the password, if any."""
        return {name: text for name, text in _read(self.urls[0]).items() if name in ("username", "password")}

    @property
    def database(self) -> int:
        """The number of the database."""
        return int(_read(self.urls[0]).get("db", 0))

    @property
    def nodes(self) -> list[tuple[str, int]]:
        """Host and port of each server, or of each Sentinel."""
        default = 26379 if self.kind == "sentinel" else 6379
        return [(server["host"], server.get("port", default)) for server in map(_read, self.urls)]

    @property
    def address(self) -> str:
        """The URL with ports and database written out, without login and options."""
        return format_address(self.kind, self.tls, self.nodes, self.database, self.service)


def format_address(
    kind: str, tls: bool, nodes: Iterable[tuple[str, int]], database: int = 0, service: str = ""
) -> str:
    """Return the URL of servers, without a login."""
    scheme = ("rediss" if tls else "redis") + (f"+{kind}" if kind else "")
    hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in nodes)
    service = f"/{quote(service, safe='')}" if service else ""
    return f"{scheme}://{hosts}{service}" + ("" if kind == "cluster" else f"/{database}")


def settings_of(url: str, **given: Any) -> RedisSettings:
    """Return the settings in a URL and in arguments. The URL takes precedence.

    The URL is not shown in errors, as it may hold a password.
    """
    parts = parts_of(url)
    if parts is None:
        raise ConfigurationError(f"The Redis URL cannot be read. {_FORMS}")
    given |= _options(parts)
    known = {name: given.pop(name) for name in ("prefix", "timeout", "allow_eviction")}
    kind, urls, service = _servers(parts)
    settings = RedisSettings(kind=kind, urls=urls, service=service, extra=given, **known)
    _check_timeout(settings.timeout)
    _check_extra(settings)
    return settings


def _servers(parts: SplitResult) -> tuple[str, tuple[str, ...], str]:
    """Return the kind of a URL, a redis-py URL for each host, and the service."""
    scheme, _, kind = parts.scheme.partition("+")
    if scheme not in ("redis", "rediss") or kind not in _PATHS:
        raise ConfigurationError(f"This is not a Redis URL. {_FORMS}")
    path = _PATHS[kind].fullmatch(parts.path)
    if path is None:
        raise ConfigurationError(
            f"The path of the Redis URL has too many or too few parts, or a wrong database. {_FORMS}"
        )
    said = path.groupdict()
    login, at, hosts = parts.netloc.rpartition("@")
    urls = tuple(f"{scheme}://{login}{at}{host}/{said['database'] or 0}" for host in hosts.split(","))
    if not all(_read(url).get("host") for url in urls):
        raise ConfigurationError(f"The Redis URL names no host, or a port that is not a number. {_FORMS}")
    if not kind and len(urls) > 1:
        raise ConfigurationError(f"A {scheme} URL names one server. {_FORMS}")
    return kind, urls, unquote(said.get("service") or "")


def _read(url: str) -> dict[str, Any]:
    """Return what redis-py reads in a URL; nothing if it cannot: its error may show a password."""
    parse_url: Any = connection.parse_url
    try:
        found: dict[str, Any] = parse_url(url)
    except ValueError:
        return {}
    return found


def _options(parts: SplitResult) -> dict[str, Any]:
    found: dict[str, Any] = dict(
        options_of(parts, "prefix", "timeout", "allow_eviction", *_SENTINEL_OPTIONS, *_TLS_OPTIONS)
    )
    if "timeout" in found:
        found["timeout"] = seconds("timeout", found["timeout"])
    for name in ("allow_eviction", "ssl_check_hostname"):
        if name in found:
            found[name] = _switch(name, found[name])
    return found


def _switch(name: str, text: str) -> bool:
    if text.lower() not in _SWITCH:
        raise ConfigurationError(f"The URL option {name} must be yes or no.")
    return _SWITCH[text.lower()]


def _check_timeout(timeout: object) -> None:
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not 0 < timeout < float("inf"):
        raise ConfigurationError("The timeout of a Redis store must be a number of seconds above zero.")


def _check_extra(settings: RedisSettings) -> None:
    for name, value in settings.extra.items():
        if name.startswith("ssl_"):
            if not settings.tls:
                raise ConfigurationError(f"{name} is for TLS: begin the URL with rediss, not redis.")
            if name in _TLS_FILES and not Path(value).is_file():
                raise ConfigurationError(f"The file {value!s} that {name} names does not exist.")
        elif name not in _SENTINEL_OPTIONS:
            raise ConfigurationError(f"A Redis store has no option {name!r}.")
        elif settings.kind != "sentinel":
            raise ConfigurationError(f"{name} is for URLs that begin with redis+sentinel.")
