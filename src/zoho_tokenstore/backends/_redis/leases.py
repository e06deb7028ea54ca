"""Leases in Redis: seen by everybody who uses the server."""

from __future__ import annotations

from zoho_tokenstore.backends._redis import scripts
from zoho_tokenstore.backends._redis.connections import Connections
from zoho_tokenstore.backends._redis.keys import Keys
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.leases import Kept


class RedisLeases:
    """The leases of a Redis store: a string each, which expires. Their time is the server's."""

    def __init__(self, connections: Connections, keys: Keys) -> None:
        self._connections = connections
        self._keys = keys

    def read(self, name: str) -> Kept:
        text, (seconds, micros) = self._connections.run(scripts.run, scripts.READ_LEASE, self._key(name))
        return Kept(self._decoded(name, text), int(seconds) * 1000 + int(micros) // 1000)

    def replace(self, name: str, was: str, text: str, keep_ms: int) -> bool:
        arguments = (was, text, keep_ms)
        done = self._connections.run(scripts.run, scripts.REPLACE_LEASE, self._key(name), *arguments)
        return bool(done)

    def _key(self, name: str) -> tuple[str]:
        return (self._keys.leases + name,)

    def _decoded(self, name: str, stored: bytes) -> str:
        try:
            return stored.decode()
        except UnicodeDecodeError:
            pass  # not chained: it holds the text
        raise BackendError(
            f"The lease {name!r} in {self._connections.location} cannot be read. Delete its key: "
            "it is forgotten after an hour anyway."
        )
