"""Scripts that read rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from redis.exceptions import ResponseError

from zoho_tokenstore.backends.redis._clients import RedisClient
from zoho_tokenstore.backends.redis._connections import RedisConnections
from zoho_tokenstore.backends.redis._key_names import RedisKeyNames
from zoho_tokenstore.backends.redis._lua import GUARD, lua_script, quote_names, run_script
from zoho_tokenstore.backends.redis._rows import ENCODED_FIELDS, FIELDS, Stored

_BATCH: Final = 500


def read_fields(client: RedisClient, key: str) -> Stored:
    """Return the values of `FIELDS` under a key; 0 if it is not a hash. One command, and no script."""
    try:
        stored: Stored = client.execute_command("HMGET", key, *ENCODED_FIELDS)
    except ResponseError as error:
        if not str(error).startswith("WRONGTYPE"):
            raise
        return 0
    return stored


_ROWS: Final = f"""
{GUARD}
-- An id, and the fields under it; 0 if there is no hash.
local function fields_under(base, id)
  local row = fields_of(base .. 'row:' .. id, {quote_names(FIELDS)})
  if not row then return {{id, 0}} end
  if not row[#row] then be_sure_of_absence(base) end
  return {{id, row}}
end

-- The same as one string: clients are slow to read many.
local function packed(row)
  if row[2] ~= 0 then row[2] = cjson.encode(row[2]) end
  return row
end
"""

CHECK_ABSENCE: Final = lua_script(f"""
-- KEYS: the ids. ARGV: base, id. Returns the mark, the row, and whether there should be one.
{_ROWS}
local row = packed(fields_under(ARGV[1], ARGV[2]))
return {{mark_of(ARGV[1]), row, redis.call('ZSCORE', KEYS[1], ARGV[2])}}
""")

FIND: Final = lua_script(f"""
-- KEYS: look-ups. ARGV: base, the ids. Returns the mark and the rows.
{_ROWS}
local rows, seen = {{}}, {{}}
for _, key in ipairs(KEYS) do
  for _, id in ipairs(redis.call('SMEMBERS', key)) do
    if not seen[id] then
      seen[id] = true
      local row = fields_under(ARGV[1], id)
      -- Without a row and not among the ids, it was removed after it vanished.
      if row[2] == 0 or row[2][#row[2]] or redis.call('EXISTS', ARGV[1] .. 'row:' .. id) == 1
         or redis.call('ZSCORE', ARGV[2], id) then
        rows[#rows + 1] = packed(row)
      end
    end
  end
end
return {{mark_of(ARGV[1]), rows}}
""")

SCAN: Final = lua_script(f"""
-- KEYS: the ids. ARGV: base, where to begin, how many. Returns the mark and the rows.
{_ROWS}
local ids = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[2], '+', 'LIMIT', 0, ARGV[3])
local rows = {{}}
for i, id in ipairs(ids) do rows[i] = packed(fields_under(ARGV[1], id)) end
return {{mark_of(ARGV[1]), rows}}
""")


def pages(
    connections: RedisConnections, keys: RedisKeyNames, after: str | None, limit: int | None
) -> Iterator[tuple[bytes | None, list[tuple[bytes, Stored]]]]:
    """Yield the rows in the order of their ids, by the hundred, each time with the store's mark."""
    left, start = limit, b"-" if after is None else b"(" + after.encode()
    while left is None or left > 0:
        size = _BATCH if left is None else min(left, _BATCH)
        mark, pairs = connections.run(run_script, SCAN, (keys.ids,), keys.base, start, size)
        yield mark, pairs
        if len(pairs) < size:
            return
        start = b"(" + pairs[-1][0]
        left = None if left is None else left - size
