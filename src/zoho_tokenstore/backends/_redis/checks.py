"""What a server must be before tokens are trusted to it. Asked when a store is opened."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from typing import Any, Final

from redis.exceptions import ResponseError

from zoho_tokenstore.backends._redis import clients, failures, scripts
from zoho_tokenstore.backends._redis.clients import Client
from zoho_tokenstore.backends._redis.connections import Connections
from zoho_tokenstore.backends._redis.keys import LAYOUT
from zoho_tokenstore.errors import BackendError, BackendUnavailableError, ConfigurationError

_log = logging.getLogger("zoho_tokenstore")
_warned: Final[set[tuple[str, str]]] = set()

_WILL_PASS: Final = frozenset({"OOM", "MISCONF", "NOREPLICAS"})
"""States of a server in which tokens can be read; each write tells them by itself."""


def check(connections: Connections, probes: tuple[str, ...], *, allow_eviction: bool) -> bytes | None:
    """Refuse a server that cannot keep tokens, and warn of one that may lose them; return the store's mark.

    Arguments:
        connections: to the server.
        probes: keys of the store: what tells its layout, and some for trying what the scripts do.
        allow_eviction: whether tokens may be evicted.

    Raises:
        ConfigurationError: the server may evict tokens.
        BackendUnavailableError: it is a replica, or this user may not do what the store needs.
        BackendError: the store was written by a newer release.
    """
    seen: Mapping[str, str] = connections.run(settings, probes[0])
    location = connections.location
    if seen.get("role") == "slave":
        raise BackendUnavailableError(
            f"The token store {location} cannot be used: the server is a replica. "
            "Give the address of the primary."
        )
    if not allow_eviction:
        _check_eviction(location, seen)
    _check_persistence(location, seen)
    told = connections.run(_try_to_write, probes)
    if isinstance(told, str):
        _warn(location, f"is open, but refuses writes now ({told}); reading goes on.")
        mark: bytes | None = connections.run(_mark, probes[0])
        return mark
    layout, mark = told
    if layout != LAYOUT.encode():
        raise BackendError(
            f"The token store {location} has layout {layout.decode(errors='replace')}; this release knows "
            f"{LAYOUT}. Upgrade zoho-tokenstore to open it."
        )
    return mark


def evicting_policy(seen: Mapping[str, str]) -> str | None:
    """Return by which policy the server throws tokens away when its memory is full; `None` if it does not."""
    policy = _policy(seen)
    return None if policy is None or policy.startswith("volatile-") else policy


def _policy(seen: Mapping[str, str]) -> str | None:
    policy = seen.get("maxmemory-policy", "noeviction")
    return policy if policy != "noeviction" and int(seen.get("maxmemory") or 0) else None


def _check_eviction(location: str, seen: Mapping[str, str]) -> None:
    policy = _policy(seen)
    if evicting_policy(seen):
        raise ConfigurationError(
            f"The server of the token store {location} throws keys away when its memory is full "
            f"(maxmemory-policy {policy}), tokens too. Set it to noeviction or one of the volatile policies, "
            "or pass allow_eviction=True if the tokens may be lost."
        )
    if policy:
        _warn(
            location,
            f"is on a server that may evict leases (maxmemory-policy {policy}): "
            "a token may then be refreshed twice. No token is evicted.",
        )


def _check_persistence(location: str, seen: Mapping[str, str]) -> None:
    if seen.get("appendonly") == "yes" or seen.get("save"):
        return
    if "save" in seen and "appendonly" in seen:
        _warn(
            location,
            "is on a server that keeps nothing on a disk (no appendonly, no save): "
            "all tokens are lost when it restarts.",
        )
        return
    _warn(
        location,
        "does not tell whether it keeps its data on a disk: CONFIG and INFO are not both allowed. "
        "See to it that appendonly or save is on.",
    )


def _warn(location: str, what: str) -> None:
    """Log a warning, once in a process."""
    if (location, what) not in _warned:
        _warned.add((location, what))
        _log.warning("The token store %s %s", location, what)


def settings(client: Client, key: str) -> dict[str, str]:
    """Return what the server tells of itself; managed ones forbid CONFIG, and few forbid INFO."""
    node = clients.node_options(client, key)
    seen = _told_by_info(client, node)
    missing = [name for name in ("maxmemory", "maxmemory-policy", "appendonly") if name not in seen]
    if seen.get("appendonly") != "yes":
        missing.append("save")
    try:
        for name in missing:
            seen.update(client.execute_command("CONFIG GET", name, **node))
    except ResponseError:
        pass  # what is not seen is told, by `check`
    return seen


def _told_by_info(client: Client, node: Mapping[str, Any]) -> dict[str, str]:
    try:
        info: Mapping[str, Any] = client.execute_command("INFO", **node)
    except ResponseError:
        return {}
    names = ("role", "maxmemory", "maxmemory_policy", "evicted_keys")
    seen = {name.replace("_", "-"): str(info[name]) for name in names if name in info}
    if "aof_enabled" in info:
        seen["appendonly"] = "yes" if info["aof_enabled"] else "no"
    return seen


def _try_to_write(client: Client, keys: tuple[str, ...]) -> list[bytes] | str:
    """Return layout and mark; or the code with which the server refuses to write, if that will pass."""
    try:
        told: list[bytes] = scripts.run(client, scripts.PROBE, keys, secrets.token_hex(8))
    except ResponseError as error:
        code = failures.code_of(error)
        if code not in _WILL_PASS:
            raise
        return code
    return told


def _mark(client: Client, key: str) -> Any:
    return client.execute_command("HGET", key, "mark")
