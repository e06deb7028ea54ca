"""What a server must fulfil before it is trusted with tokens, checked when a store is opened."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from typing import Any, Final

from redis.exceptions import ResponseError

from zoho_tokenstore.backends.redis import _clients as clients
from zoho_tokenstore.backends.redis import _failures as failures
from zoho_tokenstore.backends.redis._clients import RedisClient
from zoho_tokenstore.backends.redis._connections import RedisConnections
from zoho_tokenstore.backends.redis._key_names import LAYOUT
from zoho_tokenstore.backends.redis._lua import lua_script, run_script
from zoho_tokenstore.errors import BackendError, BackendUnavailableError, ConfigurationError

_log = logging.getLogger("zoho_tokenstore")
_warned: Final[set[tuple[str, str]]] = set()

_TEMPORARY: Final = frozenset({"OOM", "MISCONF", "NOREPLICAS"})
"""States of a server in which tokens can be read; each write raises them anyway."""


PROBE: Final = lua_script(f"""
-- KEYS: the one with the layout, and one of each kind to try things on. What a run that lacks a right
-- leaves there must suit the next. ARGV: a mark, if the store has none.
-- Returns the layout and the mark. Does once what all calls do, so that a missing right shows at once.
local meta, hash, set, zset, text = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local layout = redis.call('HGET', meta, 'layout')
if layout and layout ~= '{LAYOUT}' then return {{layout, ''}} end
redis.call('HSET', hash, 'field', 'text')  -- first, because it needs memory
redis.call('PEXPIRE', hash, 1000)
redis.call('HGET', hash, 'field')
redis.call('HMGET', hash, 'field')
redis.call('SADD', set, 'member')
redis.call('PEXPIRE', set, 1000)
redis.call('SCARD', set)
redis.call('SMEMBERS', set)
redis.call('SREM', set, 'member')
redis.call('ZADD', zset, 0, 'member')
redis.call('PEXPIRE', zset, 1000)
redis.call('ZCARD', zset)
redis.call('ZSCORE', zset, 'member')
redis.call('ZSCAN', zset, 0)
redis.call('ZRANGEBYLEX', zset, '-', '+', 'LIMIT', 0, 1)
redis.call('ZREMRANGEBYSCORE', zset, '-inf', '(0')
redis.call('ZREM', zset, 'member')
redis.call('ZPOPMIN', zset, 1)
redis.call('EXISTS', hash)
redis.call('SET', text, 'text', 'PX', 1000)
redis.call('GET', text)
redis.call('TIME')
redis.call('DEL', hash, text)
redis.call('UNLINK', zset)
local mark = redis.call('HGET', meta, 'mark') or ARGV[1]
redis.call('HSET', meta, 'layout', '{LAYOUT}', 'mark', mark)
return {{'{LAYOUT}', mark}}
""")


def check(connections: RedisConnections, probes: tuple[str, ...], *, allow_eviction: bool) -> bytes | None:
    """Refuse a server that cannot keep tokens, warn if it may lose them; return the store's mark.

    `probes` are keys of the store: the one with its layout, and some for trying what the scripts do.
    """
    seen: Mapping[str, str] = connections.run(read_server_settings, probes[0])
    location = connections.location
    if seen.get("role") == "slave":
        raise BackendUnavailableError(
            f"The token store {location} cannot be used: the server is a replica. "
            "Give the address of the primary."
        )
    if not allow_eviction:
        _check_eviction(location, seen)
    _check_persistence(location, seen)
    tried = connections.run(_try_to_write, probes)
    if isinstance(tried, str):
        _warn(location, f"is open, but refuses writes now ({tried}); reads continue.")
        mark: bytes | None = connections.run(_mark, probes[0])
        return mark
    layout, mark = tried
    check_layout(location, layout)
    return mark


def check_layout(location: str, layout: bytes | None) -> None:
    """Raise a `BackendError` if the store was written by a newer release."""
    if layout not in (None, LAYOUT.encode()):
        raise BackendError(
            f"The token store {location} has layout {layout.decode(errors='replace')}; this release knows "
            f"{LAYOUT}. Upgrade zoho-tokenstore to open it."
        )


def loses_all(seen: Mapping[str, str]) -> bool:
    """Return whether the server keeps nothing on disk, as far as it says."""
    return seen.get("appendonly") == "no" and seen.get("save") == ""


def evicting_policy(seen: Mapping[str, str]) -> str | None:
    """Return the policy by which the server evicts tokens when its memory is full, or `None`."""
    policy = evicting_leases(seen)
    return None if policy is None or policy.startswith("volatile-") else policy


def evicting_leases(seen: Mapping[str, str]) -> str | None:
    """Return the policy by which the server evicts leases when its memory is full, or `None`."""
    policy = seen.get("maxmemory-policy", "noeviction")
    return policy if policy != "noeviction" and int(seen.get("maxmemory") or 0) else None


def _check_eviction(location: str, seen: Mapping[str, str]) -> None:
    policy = evicting_leases(seen)
    if evicting_policy(seen):
        raise ConfigurationError(
            f"The server of the token store {location} evicts keys when its memory is full, including tokens "
            f"(maxmemory-policy {policy}). Set it to noeviction or one of the volatile policies, "
            "or pass allow_eviction=True if the tokens may be lost."
        )
    if policy:
        _warn(
            location,
            f"is on a server that may evict leases (maxmemory-policy {policy}): "
            "a token may then be refreshed twice. No token is evicted.",
        )


def _check_persistence(location: str, seen: Mapping[str, str]) -> None:
    if loses_all(seen):
        _warn(
            location,
            "is on a server that keeps nothing on disk (no appendonly, no save): "
            "all tokens are lost when it restarts.",
        )
    elif seen.get("appendonly") != "yes" and not seen.get("save"):
        _warn(
            location,
            "does not say whether it keeps its data on disk: CONFIG and INFO are not both allowed. "
            "Make sure that appendonly or save is on.",
        )


def _warn(location: str, what: str) -> None:
    """Log a warning, once per process."""
    if (location, what) not in _warned:
        _warned.add((location, what))
        _log.warning("The token store %s %s", location, what)


def read_server_settings(client: RedisClient, key: str) -> dict[str, str]:
    """Return what the server says about itself; managed ones forbid CONFIG, and a few INFO."""
    node = clients.node_options(client, key)
    seen = _read_info(client, node)
    missing = [name for name in ("maxmemory", "maxmemory-policy", "appendonly") if name not in seen]
    if seen.get("appendonly") != "yes":
        missing.append("save")
    try:
        for name in missing:
            seen.update(client.execute_command("CONFIG GET", name, **node))
    except ResponseError:
        pass  # `check` warns about what is not seen
    return seen


def _read_info(client: RedisClient, node: Mapping[str, Any]) -> dict[str, str]:
    try:
        info: Mapping[str, Any] = client.execute_command("INFO", **node)
    except ResponseError:
        return {}
    names = ("role", "maxmemory", "maxmemory_policy", "evicted_keys")
    seen = {name.replace("_", "-"): str(info[name]) for name in names if name in info}
    if "aof_enabled" in info:
        seen["appendonly"] = "yes" if info["aof_enabled"] else "no"
    return seen


def _try_to_write(client: RedisClient, keys: tuple[str, ...]) -> list[bytes] | str:
    """Return layout and mark; or the code with which the server refuses writes, if temporary."""
    try:
        seen: list[bytes] = run_script(client, PROBE, keys, secrets.token_hex(8))
    except ResponseError as error:
        code = failures.code_of(error)
        if code not in _TEMPORARY:
            raise
        return code
    return seen


def _mark(client: RedisClient, key: str) -> Any:
    return client.execute_command("HGET", key, "mark")
