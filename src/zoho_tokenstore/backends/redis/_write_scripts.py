"""Scripts that change rows, or verify that they could."""

from __future__ import annotations

from typing import Final

from zoho_tokenstore.backends.redis._key_names import LAYOUT
from zoho_tokenstore.backends.redis._lua import GUARD, lua_script, quote_names
from zoho_tokenstore.backends.redis._rows import DIGEST_FIELDS
from zoho_tokenstore.records import LOOKUPS, SECRET_COLUMNS

_LOOKUPS: Final = f"""
{GUARD}
local names = {{{quote_names(LOOKUPS)}}}
local is_secret = {{{", ".join(f"{name} = true" for name in SECRET_COLUMNS)}}}

-- The keys of the look-ups that find a row: by the digest, or otherwise by the column.
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

-- Nothing finds what is not a hash.
local function stored_lookups(base, row)
  local values = fields_of(row, {quote_names((*LOOKUPS, *DIGEST_FIELDS))})
  return values and lookups(base, values) or {{}}
end

-- Fails if one of the sets is something else.
local function check(base, ids, ...)
  be_sure_of_absence(base)
  redis.call('ZCARD', ids)
  redis.call('ZCARD', base .. 'retired')
  for _, keys in ipairs({{...}}) do
    for _, key in ipairs(keys) do redis.call('SCARD', key) end
  end
end
"""

_WRITABLE: Final = f"""
-- KEYS: the row, the ids. ARGV: base, id, the required etag ('' for a new row), the new etag, fields.
-- Returns 0 if the row is not as required, -1 if its id is retired.
local row, ids = KEYS[1], KEYS[2]
local base, id, expected, etag = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
{_LOOKUPS}
local stored = redis.call('HGET', row, 'etag')
if stored == etag then return 1 end  -- it was written already, and the answer was lost
local exists = redis.call('EXISTS', row) == 1
if expected == '' and exists or expected ~= '' and stored ~= expected then return 0 end
if not exists and redis.call('ZSCORE', base .. 'retired', id) then return -1 end

local fields, values = {{}}, {{}}
for i = 5, #ARGV, 2 do fields[ARGV[i]] = ARGV[i + 1] end
for i, name in ipairs(names) do
  values[i], values[#names + i] = fields[name] or false, fields[name .. '_digest'] or false
end
local old, new = stored_lookups(base, row), lookups(base, values)
check(base, ids, old, new)
local mark = mark_of(base)
"""

# With full memory Redis refuses a script whose first change needs some. So a new row is refused
# as a whole, and an existing row can still be written.
WRITE: Final = lua_script(f"""
{_WRITABLE}
if exists then redis.call('DEL', row) end
redis.call('HSET', row, 'etag', etag, unpack(ARGV, 5))
redis.call('ZADD', ids, 0, id)
for _, key in ipairs(old) do redis.call('SREM', key, id) end
for _, key in ipairs(new) do redis.call('SADD', key, id) end
if mark then return 1 end
redis.pcall('HSET', base .. 'meta', 'layout', '{LAYOUT}', 'mark', etag)
return 2
""")
"""Returns 2 if the store lost its mark. The new one is the new etag."""

WRITE_MANY: Final = lua_script(f"""
-- KEYS: the ids. ARGV: base, and for each new row: its id, its etag, how many fields follow, the fields.
-- Returns for each whether it is stored as given.
local ids, base = KEYS[1], ARGV[1]
{_LOOKUPS}
check(base, ids)
local done, at = {{}}, 2
while at <= #ARGV do
  local id, etag, last = ARGV[at], ARGV[at + 1], at + 2 + tonumber(ARGV[at + 2])
  local row, fields, values = base .. 'row:' .. id, {{}}, {{}}
  for i = at + 3, last, 2 do fields[ARGV[i]] = ARGV[i + 1] end
  for i, name in ipairs(names) do
    values[i], values[#names + i] = fields[name] or false, fields[name .. '_digest'] or false
  end
  local new = lookups(base, values)
  for _, key in ipairs(new) do redis.call('SCARD', key) end
  if redis.call('EXISTS', row) == 1 then
    done[#done + 1] = redis.call('HGET', row, 'etag') == etag and 1 or 0
  elseif redis.call('ZSCORE', base .. 'retired', id) then
    done[#done + 1] = 0
  else
    redis.call('HSET', row, 'etag', etag, unpack(ARGV, at + 3, last))
    redis.call('ZADD', ids, 0, id)
    for _, key in ipairs(new) do redis.call('SADD', key, id) end
    done[#done + 1] = 1
  end
  at = last + 1
end
return {{mark_of(base), done}}
""")

REHEARSE: Final = lua_script(f"""
{_WRITABLE}
-- The same changes to keys that nobody reads. If one is refused, no secret remains in these.
local hash, set, zset = base .. 'probe:hash', base .. 'probe:set', base .. 'probe:zset'
if exists then redis.call('DEL', hash) end
redis.call('HSET', hash, 'etag', etag)
redis.call('ZADD', zset, 0, id)
redis.call('SREM', set, id)
redis.call('SADD', set, id)
redis.call('DEL', hash, set, zset)
return 1
""")

REMOVE: Final = lua_script(f"""
-- KEYS: the row, the ids. ARGV: base, id, now, the required etag ('' for any).
local row, ids, base, id, expected = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[4]
{_LOOKUPS}
check(base, ids)
if redis.call('EXISTS', row) == 0 and not redis.call('ZSCORE', ids, id) then return 0 end
if expected ~= '' and redis.call('HGET', row, 'etag') ~= expected then return 0 end
local old = stored_lookups(base, row)
redis.call('DEL', row)  -- first, because it needs no memory
redis.call('ZADD', base .. 'retired', ARGV[3], id)
redis.call('ZREM', ids, id)
for _, key in ipairs(old) do redis.pcall('SREM', key, id) end  -- what is not a set stays as it is
return 1
""")

CLEAR: Final = lua_script(f"""
-- KEYS: the ids. ARGV: base, now.
local ids, base, now = KEYS[1], ARGV[1], tonumber(ARGV[2])
{_LOOKUPS}
check(base, ids)
local meta = base .. 'meta'
local cleared = tonumber(redis.call('HGET', meta, 'cleared_ms') or '') or 0
local count = 0
local popped = redis.call('ZPOPMIN', ids, 1000)  -- first, because it needs no memory
while #popped > 0 do
  local keys, found, retired = {{}}, {{}}, {{}}
  for i = 1, #popped, 2 do
    keys[#keys + 1] = base .. 'row:' .. popped[i]
    for _, key in ipairs(stored_lookups(base, keys[#keys])) do found[#found + 1] = key end
    retired[i], retired[i + 1] = ARGV[2], popped[i]
  end
  count = count + #keys
  redis.call('ZADD', base .. 'retired', unpack(retired))
  redis.call('UNLINK', unpack(keys))
  if #found > 0 then redis.call('UNLINK', unpack(found)) end
  popped = redis.call('ZPOPMIN', ids, 1000)
end
redis.call('HSET', meta, 'cleared_ms', string.format('%.0f', math.max(now, cleared + 1)))
return count
""")
