"""Reading the URL of a store in front of its options: which servers, and how to log in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, quote, unquote, urlsplit

from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.urls import parts_of

_FORMS: Final = (
    "It looks like redis://localhost:6379/0, redis+sentinel://host1:26379,host2:26379/service/0 "
    "or redis+cluster://host1:6379,host2:6379; with TLS each begins with rediss."
)


@dataclass(frozen=True)
class Address:
    """Where the servers are, and how to log in. Its text shows no password."""

    kind: str
    tls: bool
    nodes: tuple[tuple[str, int], ...]
    database: int = 0
    service: str = ""
    login: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        scheme = ("rediss" if self.tls else "redis") + (f"+{self.kind}" if self.kind else "")
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.nodes)
        service = f"/{quote(self.service, safe='')}" if self.service else ""
        database = "" if self.kind == "cluster" else f"/{self.database}"
        return f"{scheme}://{hosts}{service}{database}"


def split(url: str) -> SplitResult:
    """Return the parts of a URL.

    Raises:
        ConfigurationError: it is no URL. The text is not shown, as it may hold a password.
    """
    parts = parts_of(url)
    if parts is None:
        raise ConfigurationError(f"The Redis URL cannot be read. {_FORMS}")
    if parts.fragment:
        raise ConfigurationError("A Redis URL has no #. In a password, write it as %23.")
    return parts


def address_of(parts: SplitResult) -> Address:
    """Return what a URL says in front of its options."""
    scheme, _, kind = parts.scheme.partition("+")
    if scheme not in ("redis", "rediss") or kind not in ("", "sentinel", "cluster"):
        raise ConfigurationError(f"This is no Redis URL. {_FORMS}")
    userinfo, _, hosts = parts.netloc.rpartition("@")
    nodes = tuple(_nodes(hosts, 26379 if kind == "sentinel" else 6379))
    if not kind and len(nodes) > 1:
        raise ConfigurationError(f"A {scheme} URL names one server. {_FORMS}")
    *service, database = _path(parts.path, kind)
    return Address(
        kind=kind,
        tls=scheme == "rediss",
        nodes=nodes,
        database=_number(database, kind),
        service=service[0] if service else "",
        login=_login(userinfo),
    )


def _nodes(hosts: str, port: int) -> Iterator[tuple[str, int]]:
    for text in hosts.split(","):
        try:
            parts = urlsplit(f"//{text}")
            host, own_port = parts.hostname, parts.port
        except ValueError:
            host, own_port = None, None
        if not host:
            raise ConfigurationError(f"The Redis URL names no host, or a port that is no number. {_FORMS}")
        yield unquote(host), port if own_port is None else own_port


def _path(path: str, kind: str) -> list[str]:
    """Return the parts of the path: the service, for Sentinel, and the database."""
    parts = [unquote(part) for part in path.strip("/").split("/")]
    if kind != "sentinel" and len(parts) == 1:
        return parts
    if kind == "sentinel" and parts[0] and len(parts) <= 2:
        return [parts[0], *(parts[1:] or ["0"])]
    raise ConfigurationError(f"The path of the Redis URL has a part too many or too few. {_FORMS}")


def _number(database: str, kind: str) -> int:
    number = int(database or "0") if database.isascii() and (database or "0").isdecimal() else -1
    if number < 0 or (number and kind == "cluster"):
        raise ConfigurationError("A Redis URL ends in the number of a database; a cluster has only 0.")
    return number


def _login(userinfo: str) -> dict[str, str]:
    username, _, password = userinfo.partition(":")
    given = {"username": unquote(username), "password": unquote(password)}
    return {name: text for name, text in given.items() if text}
