"""What happens in one step on the server: Lua scripts.

A server runs one script at a time, and nothing else meanwhile. Nothing is undone if a script
fails half-way, so each looks at every key it is going to change before it changes the first.

All keys of a store lie in one slot; so the scripts may make names of keys by themselves, from the
base that they are given.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final, NamedTuple

from redis.exceptions import NoScriptError

from zoho_tokenstore.backends._redis.clients import Client
from zoho_tokenstore.backends._redis.rows import DIGEST_FIELDS, FIELDS
from zoho_tokenstore.records import LOOKUPS, SECRET_COLUMNS


class Script(NamedTuple):
    """A script, and the digest by which a server that has seen it knows it."""

    text: str
    sha: str


def run(client: Client, script: Script, keys: tuple[str, ...], *args: Any) -> Any:
    """Run a script, and return its answer. A server that does not know it is sent its text."""
    try:
        return client.execute_command("EVALSHA", script.sha, len(keys), *keys, *args)
    except NoScriptError:
        pass
    return client.execute_command("EVAL", script.text, len(keys), *keys, *args)


def _script(text: str) -> Script:
    text = text.strip() + "\n"
    # How Redis names scripts; not for security.
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def _quoted(names: tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in names)


_GUARD: Final = """
-- While a cluster moves the store to another node, a key that is not here may be there. Asking for two
-- keys that do not exist is an error then, on either node.
local function be_sure_of_absence(base)
  redis.call('EXISTS', base .. 'nothing', base .. 'nothing else')
end
"""

_LOOKUPS: Final = f"""
{_GUARD}
local names = {{{_quoted(LOOKUPS)}}}
local is_secret = {{{", ".join(f"{name} = true" for name in SECRET_COLUMNS)}}}

-- The keys of the look-ups that find a row: by the digest, or else by the column.
local function lookups(base, values)
  local keys = {{}}
  for i, name in ipairs(names) do
    local text = values[#names + i] or values[i]
    if text then
      if is_secret[name] then text = redis.sha1hex(text) end
      keys[#keys + 1] = base .. name .. ':' .. text
    end
  end
  return keys
end

local function stored_lookups(base, row)
  return lookups(base, redis.call('HMGET', row, {_quoted((*LOOKUPS, *DIGEST_FIELDS))}))
end

-- Fails if one of the sets is something else.
local function check(base, ids, ...)
  be_sure_of_absence(base)
  redis.call('ZCARD', ids)
  for _, keys in ipairs({{...}}) do
    for _, key in ipairs(keys) do redis.call('SCARD', key) end
  end
end
"""

_ROWS: Final = f"""
{_GUARD}
local function row_of(base, id)
  local row = redis.call('HMGET', base .. 'row:' .. id, {_quoted(FIELDS)})
  if not row[#row] then be_sure_of_absence(base) end
  return row
end
"""

FIND: Final = _script(f"""
-- KEYS: look-ups. ARGV: base.
{_ROWS}
local rows, seen = {{}}, {{}}
for _, key in ipairs(KEYS) do
  for _, id in ipairs(redis.call('SMEMBERS', key)) do
    if not seen[id] then
      seen[id] = true
      rows[#rows + 1] = row_of(ARGV[1], id)
    end
  end
end
return rows
""")

SCAN: Final = _script(f"""
-- KEYS: the ids. ARGV: base, where to begin, how many.
{_ROWS}
local ids = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[2], '+', 'LIMIT', 0, ARGV[3])
local rows = {{}}
for i, id in ipairs(ids) do rows[i] = row_of(ARGV[1], id) end
return {{#ids, ids[#ids] or '', rows}}
""")

WRITE: Final = _script(f"""
-- KEYS: the row, the ids. ARGV: base, id, the etag there must be ('' for a new row), the new etag, fields.
local row, ids = KEYS[1], KEYS[2]
local base, id, expected, etag = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
{_LOOKUPS}
local stored = redis.call('HGET', row, 'etag')
if stored == etag then return 1 end  -- it was written before, and the answer was lost
local exists = redis.call('EXISTS', row) == 1
if expected == '' and exists or expected ~= '' and stored ~= expected then return 0 end

local fields, values = {{}}, {{}}
for i = 5, #ARGV, 2 do fields[ARGV[i]] = ARGV[i + 1] end
for i, name in ipairs(names) do
  values[i], values[#names + i] = fields[name] or false, fields[name .. '_digest'] or false
end
local old, new = stored_lookups(base, row), lookups(base, values)
check(base, ids, old, new)

-- With full memory Redis refuses a script whose first change needs some. So a new row is refused
-- as a whole, and a row that is there can still be written.
if exists then redis.call('DEL', row) end
redis.call('HSET', row, 'etag', etag, unpack(ARGV, 5))
redis.call('ZADD', ids, 0, id)
for _, key in ipairs(old) do redis.call('SREM', key, id) end
for _, key in ipairs(new) do redis.call('SADD', key, id) end
return 1
""")

REMOVE: Final = _script(f"""
-- KEYS: the row, the ids. ARGV: base, id.
local row, ids, base, id = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
{_LOOKUPS}
local old = stored_lookups(base, row)
check(base, ids, old)
redis.call('ZREM', ids, id)
for _, key in ipairs(old) do redis.call('SREM', key, id) end
return redis.call('DEL', row)
""")

CLEAR: Final = _script(f"""
-- KEYS: the ids. ARGV: base.
local ids, base = KEYS[1], ARGV[1]
{_LOOKUPS}
check(base, ids)
local count = 0
local popped = redis.call('ZPOPMIN', ids, 1000)
while #popped > 0 do
  local keys, found = {{}}, {{}}
  for i = 1, #popped, 2 do
    keys[#keys + 1] = base .. 'row:' .. popped[i]
    local values = redis.pcall('HMGET', keys[#keys], {_quoted((*LOOKUPS, *DIGEST_FIELDS))})
    if not values.err then  -- or else it is no row; it goes all the same
      for _, key in ipairs(lookups(base, values)) do found[#found + 1] = key end
    end
  end
  count = count + redis.call('UNLINK', unpack(keys))
  if #found > 0 then redis.call('UNLINK', unpack(found)) end
  popped = redis.call('ZPOPMIN', ids, 1000)
end
return count
""")

ACQUIRE: Final = _script("""
-- KEYS: the lease. ARGV: owner, now, how long, its end, when to forget it (all but the owner in ms).
local key = KEYS[1]
local owner, now, ttl, ends = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local lease = redis.call('HMGET', key, 'owner', 'until_ms', 'note')
local held_until = tonumber(lease[2] or '') or 0
if not (lease[1] and now < held_until and held_until <= now + 2 * ttl) then
  redis.call('HSET', key, 'owner', owner, 'until_ms', ends)
  redis.call('PEXPIRE', key, ARGV[5])
  lease[1], lease[2] = owner, ends
end
return lease
""")

ANNOTATE: Final = _script("""
-- KEYS: the lease. ARGV: the note to replace, the new note, now, when to forget it (in ms).
local key = KEYS[1]
if (redis.call('HGET', key, 'note') or '') ~= ARGV[1] then return 0 end
local exists = redis.call('EXISTS', key) == 1
redis.call('HSET', key, 'note', ARGV[2])
if not exists then
  redis.call('HSET', key, 'until_ms', ARGV[3])
  redis.call('PEXPIRE', key, ARGV[4])
end
return 1
""")

RELEASE: Final = _script("""
-- KEYS: the lease. ARGV: owner.
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
redis.call('HDEL', KEYS[1], 'owner')
return 1
""")

PROBE: Final = _script("""
-- KEYS: what tells the layout, and three keys to play with. ARGV: the layout that this release knows.
-- Returns the layout. Does once what the other scripts do, so that a missing right is told at once.
local meta, hash, set, zset = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local layout = redis.call('HGET', meta, 'layout')
if layout and layout ~= ARGV[1] then return layout end
redis.call('HSET', hash, 'field', 'text')  -- first, because it needs memory
redis.call('PEXPIRE', hash, 1000)
redis.call('HGET', hash, 'field')
redis.call('HMGET', hash, 'field')
redis.call('HDEL', hash, 'field')
redis.call('SADD', set, 'member')
redis.call('PEXPIRE', set, 1000)
redis.call('SCARD', set)
redis.call('SMEMBERS', set)
redis.call('SREM', set, 'member')
redis.call('ZADD', zset, 0, 'member')
redis.call('PEXPIRE', zset, 1000)
redis.call('ZCARD', zset)
redis.call('ZRANGEBYLEX', zset, '-', '+', 'LIMIT', 0, 1)
redis.call('ZREM', zset, 'member')
redis.call('ZPOPMIN', zset, 1)
redis.call('EXISTS', hash)
redis.call('DEL', set)
redis.call('UNLINK', zset)
redis.call('HSET', meta, 'layout', ARGV[1])
return ARGV[1]
""")
