"""What happens in one step on the server: Lua scripts.

A server runs one script at a time, and nothing else meanwhile. Nothing is undone if a script
fails half-way, so each looks at every key it is going to change before it changes the first.

All keys of a store lie in one slot; so the scripts may make names of keys by themselves, from the
base that they are given.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final, NamedTuple

from redis.exceptions import NoScriptError, ResponseError

from zoho_tokenstore.backends._redis.clients import Client
from zoho_tokenstore.backends._redis.keys import LAYOUT
from zoho_tokenstore.backends._redis.rows import DIGEST_FIELDS, ENCODED_FIELDS, FIELDS, Stored
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


def fields_at(client: Client, key: str) -> Stored:
    """Return the values of `FIELDS` under a key; 0 if it holds no hash. One command, and no script."""
    try:
        stored: Stored = client.execute_command("HMGET", key, *ENCODED_FIELDS)
    except ResponseError as error:
        if not str(error).startswith("WRONGTYPE"):
            raise
        return 0
    return stored


def line_of(sha: str, number: int) -> str:
    """Return a line of a script, counted from 1; nothing if it is none of ours."""
    lines = _texts.get(sha, "").splitlines()
    return lines[number - 1] if 0 < number <= len(lines) else ""


def _script(text: str) -> Script:
    text = text.strip() + "\n"
    # How Redis names scripts; not for security.
    sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    _texts[sha] = text
    return Script(text, sha)


_texts: Final[dict[str, str]] = {}


def _quoted(names: tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in names)


_GUARD: Final = """
-- While a cluster moves the store to another node, a key that is not here may be there. Asking for two
-- keys that do not exist is an error then, on either node.
local function be_sure_of_absence(base)
  redis.call('EXISTS', base .. 'nothing', base .. 'nothing else')
end

-- Only a key that holds something else is no failure.
local function is_wrong_type(answer)
  return type(answer) == 'table' and answer.err and string.find(answer.err, 'WRONGTYPE', 1, true)
end

-- Fields of a hash; nil where there is something else.
local function fields_of(key, ...)
  local values = redis.pcall('HMGET', key, ...)
  if is_wrong_type(values) then return nil end
  if values.err then redis.call('HMGET', key, ...) end  -- fails again, and is told
  return values
end

-- What tells this store from one that came in its place: false if there is none.
local function mark_of(base)
  local mark = redis.pcall('HGET', base .. 'meta', 'mark')
  if type(mark) == 'string' then return mark end
  if mark and not is_wrong_type(mark) then redis.call('HGET', base .. 'meta', 'mark') end
  be_sure_of_absence(base)
  return false
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

-- Nothing finds what is no hash.
local function stored_lookups(base, row)
  local values = fields_of(row, {_quoted((*LOOKUPS, *DIGEST_FIELDS))})
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

_ROWS: Final = f"""
{_GUARD}
-- An id, and the fields under it; 0 where there is no hash.
local function fields_under(base, id)
  local row = fields_of(base .. 'row:' .. id, {_quoted(FIELDS)})
  if not row then return {{id, 0}} end
  if not row[#row] then be_sure_of_absence(base) end
  return {{id, row}}
end

-- The same as one text: clients are slow to read many.
local function packed(row)
  if row[2] ~= 0 then row[2] = cjson.encode(row[2]) end
  return row
end
"""

LOOK: Final = _script(f"""
-- KEYS: the ids. ARGV: base, id. Returns the mark, the row, and whether there should be one.
{_ROWS}
local row = packed(fields_under(ARGV[1], ARGV[2]))
return {{mark_of(ARGV[1]), row, redis.call('ZSCORE', KEYS[1], ARGV[2])}}
""")

FIND: Final = _script(f"""
-- KEYS: look-ups. ARGV: base, the ids. Returns the mark and the rows.
{_ROWS}
local rows, seen = {{}}, {{}}
for _, key in ipairs(KEYS) do
  for _, id in ipairs(redis.call('SMEMBERS', key)) do
    if not seen[id] then
      seen[id] = true
      local row = fields_under(ARGV[1], id)
      -- Without a row and not among the ids it was removed after it had vanished.
      if row[2] == 0 or row[2][#row[2]] or redis.call('EXISTS', ARGV[1] .. 'row:' .. id) == 1
         or redis.call('ZSCORE', ARGV[2], id) then
        rows[#rows + 1] = packed(row)
      end
    end
  end
end
return {{mark_of(ARGV[1]), rows}}
""")

SCAN: Final = _script(f"""
-- KEYS: the ids. ARGV: base, where to begin, how many. Returns the mark and the rows.
{_ROWS}
local ids = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[2], '+', 'LIMIT', 0, ARGV[3])
local rows = {{}}
for i, id in ipairs(ids) do rows[i] = packed(fields_under(ARGV[1], id)) end
return {{mark_of(ARGV[1]), rows}}
""")

_WRITABLE: Final = f"""
-- KEYS: the row, the ids. ARGV: base, id, the etag there must be ('' for a new row), the new etag, fields.
-- Returns 0 if the row is not as it must be, -1 if its id is retired.
local row, ids = KEYS[1], KEYS[2]
local base, id, expected, etag = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
{_LOOKUPS}
local stored = redis.call('HGET', row, 'etag')
if stored == etag then return 1 end  -- it was written before, and the answer was lost
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
# as a whole, and a row that is there can still be written.
WRITE: Final = _script(f"""
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
"""Returns 2 if the store has lost its mark. The new one is the new etag."""

WRITE_MANY: Final = _script(f"""
-- KEYS: the ids. ARGV: base, and for each new row: its id, its etag, how many fields follow, the fields.
-- Returns for each of them whether it is there as it was given.
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

REHEARSE: Final = _script(f"""
{_WRITABLE}
-- The same changes to keys that nobody reads. If one of them is refused, no secret stays in these.
local hash, set, zset = base .. 'probe:hash', base .. 'probe:set', base .. 'probe:zset'
if exists then redis.call('DEL', hash) end
redis.call('HSET', hash, 'etag', etag)
redis.call('ZADD', zset, 0, id)
redis.call('SREM', set, id)
redis.call('SADD', set, id)
redis.call('DEL', hash, set, zset)
return 1
""")

REMOVE: Final = _script(f"""
-- KEYS: the row, the ids. ARGV: base, id, now.
local row, ids, base, id = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
{_LOOKUPS}
check(base, ids)
if redis.call('EXISTS', row) == 0 and not redis.call('ZSCORE', ids, id) then return 0 end
local old = stored_lookups(base, row)
redis.call('DEL', row)  -- first, because it needs no memory
redis.call('ZADD', base .. 'retired', ARGV[3], id)
redis.call('ZREM', ids, id)
for _, key in ipairs(old) do redis.pcall('SREM', key, id) end  -- what is no set stays as it is
return 1
""")

CLEAR: Final = _script(f"""
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

READ_LEASE: Final = _script("""
-- KEYS: the lease. Returns its text, '' if there is none, and the time: seconds and microseconds.
return {redis.call('GET', KEYS[1]) or '', redis.call('TIME')}
""")

REPLACE_LEASE: Final = _script("""
-- KEYS: the lease. ARGV: the text to replace ('' for none), the new one, for how long to keep it (in ms).
local stored = redis.call('GET', KEYS[1]) or ''
if stored ~= ARGV[1] and stored ~= ARGV[2] then return 0 end
if stored ~= '' then redis.call('DEL', KEYS[1]) end  -- first, because it needs no memory
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
""")
"""What is stored already counts: the answer to an earlier try may have been lost."""

PROBE: Final = _script(f"""
-- KEYS: what tells the layout, and three keys to play with. ARGV: a mark, if the store has none.
-- Returns the layout and the mark. Does once what all calls do, so that a missing right is told at once.
local meta, hash, set, zset = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
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
redis.call('SET', hash, 'text', 'PX', 1000)
redis.call('GET', hash)
redis.call('TIME')
redis.call('DEL', hash)
redis.call('UNLINK', zset)
local mark = redis.call('HGET', meta, 'mark') or ARGV[1]
redis.call('HSET', meta, 'layout', '{LAYOUT}', 'mark', mark)
return {{'{LAYOUT}', mark}}
""")
