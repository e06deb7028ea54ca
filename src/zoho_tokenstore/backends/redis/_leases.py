"""Leases in Redis, seen by all users of the server."""

from __future__ import annotations

from typing import Final

from zoho_tokenstore.backend import LeaseState
from zoho_tokenstore.backends.redis._connections import RedisConnections
from zoho_tokenstore.backends.redis._key_names import RedisKeyNames
from zoho_tokenstore.backends.redis._lua import lua_script, run_script
from zoho_tokenstore.errors import BackendError

READ_LEASE: Final = lua_script("""
-- KEYS: the lease. Returns its text, '' if there is none, and the time: seconds and microseconds.
return {redis.call('GET', KEYS[1]) or '', redis.call('TIME')}
""")

REPLACE_LEASE: Final = lua_script("""
-- KEYS: the lease. ARGV: the text to replace ('' for none), the new one, how long to keep it (in ms).
-- What is kept for a year does not expire: a server whose memory is full may evict what does.
local stored = redis.call('GET', KEYS[1]) or ''
if stored ~= ARGV[1] and stored ~= ARGV[2] then return 0 end
if stored ~= '' then redis.call('DEL', KEYS[1]) end  -- first, because it needs no memory
if tonumber(ARGV[3]) < 31536000000 then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
else
  redis.call('SET', KEYS[1], ARGV[2])
end
return 1
""")
"""What is stored already counts: the answer to an earlier try may have been lost."""


class RedisLeases:
    """The leases of a Redis store: one string each, which expires. Their time is the server's."""

    def __init__(self, connections: RedisConnections, keys: RedisKeyNames) -> None:
        self._connections = connections
        self._keys = keys

    def read(self, name: str) -> LeaseState:
        text, (seconds, micros) = self._connections.run(run_script, READ_LEASE, self._key(name))
        return LeaseState(self._decoded(name, text), int(seconds) * 1000 + int(micros) // 1000)

    def replace(self, name: str, was: str, text: str, keep_ms: int) -> bool:
        arguments = (was, text, keep_ms)
        done = self._connections.run(run_script, REPLACE_LEASE, self._key(name), *arguments)
        return bool(done)

    def _key(self, name: str) -> tuple[str]:
        return (self._keys.leases + name,)

    def _decoded(self, name: str, stored: bytes) -> str:
        try:
            return stored.decode()
        except UnicodeDecodeError:
            pass  # not chained: it holds the text
        raise BackendError(
            f"The lease {name!r} in {self._connections.location} cannot be read. Delete its key."
        )
