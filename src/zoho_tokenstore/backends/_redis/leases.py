"""Leases in Redis: seen by everybody who uses the server."""

from __future__ import annotations

from typing import Any

from zoho_tokenstore.backends._redis import scripts
from zoho_tokenstore.backends._redis.clients import Client
from zoho_tokenstore.backends._redis.connections import Connections
from zoho_tokenstore.backends._redis.keys import Keys
from zoho_tokenstore.clock import Clock, now_ms
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.leases import FORGET_AFTER_MS, Lease


class RedisLeases:
    """The leases of a Redis store: a hash each, which the server forgets an hour after its end.

    Their times are those of the callers' clocks. Only the forgetting goes by the server's.
    """

    def __init__(self, connections: Connections, keys: Keys, clock: Clock = now_ms) -> None:
        self._connections = connections
        self._keys = keys
        self._clock = clock

    def look(self, name: str) -> Lease:
        return self._lease(name, self._connections.run(_look, self._key(name)))

    def acquire(self, name: str, owner: str, ttl_ms: int) -> Lease:
        now = self._clock()
        # May be sent twice: who has it, has it still.
        stored = self._connections.run(
            scripts.run,
            scripts.ACQUIRE,
            (self._key(name),),
            owner,
            now,
            ttl_ms,
            now + ttl_ms,
            ttl_ms + FORGET_AFTER_MS,
        )
        return self._lease(name, stored)

    def annotate(self, name: str, was: str, note: str) -> bool:
        done = self._connections.run(
            scripts.run,
            scripts.ANNOTATE,
            (self._key(name),),
            was,
            note,
            self._clock(),
            FORGET_AFTER_MS,
            doubtful=0,
        )
        return bool(done)

    def release(self, name: str, owner: str) -> bool:
        done = self._connections.run(scripts.run, scripts.RELEASE, (self._key(name),), owner, doubtful=0)
        return bool(done)

    def _key(self, name: str) -> str:
        return self._keys.leases + name

    def _lease(self, name: str, stored: list[bytes | None]) -> Lease:
        owner, until, note = stored
        try:
            return Lease(
                None if owner is None else owner.decode(),
                int(until or 0),
                "" if note is None else note.decode(),
            )
        except ValueError:
            pass
        raise BackendError(
            f"The lease {name!r} in {self._connections.location} cannot be read. Delete its key: "
            "it is forgotten after an hour anyway."
        )


def _look(client: Client, key: str) -> Any:
    return client.execute_command("HMGET", key, "owner", "until_ms", "note")
