"""Lua scripts, and what they share.

A server runs one script at a time, and nothing else meanwhile. Nothing is undone if a script
fails partway, so each checks every key it will change before changing the first.

All keys of a store are in one slot, so the scripts may build key names themselves, from the base they
are given.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final, NamedTuple

from redis.exceptions import NoScriptError

from zoho_tokenstore.backends.redis._clients import RedisClient

_texts: Final[dict[str, str]] = {}


class LuaScript(NamedTuple):
    """A script, and the digest by which a server that has seen it recognises it."""

    text: str
    sha: str


def lua_script(text: str) -> LuaScript:
    """Return a script of this text."""
    text = text.strip() + "\n"
    # How Redis names scripts; not for security.
    sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    _texts[sha] = text
    return LuaScript(text, sha)


def run_script(client: RedisClient, script: LuaScript, keys: tuple[str, ...], *args: Any) -> Any:
    """Run a script, and return its answer. A server that does not know it receives its text."""
    try:
        return client.execute_command("EVALSHA", script.sha, len(keys), *keys, *args)
    except NoScriptError:
        pass
    return client.execute_command("EVAL", script.text, len(keys), *keys, *args)


def line_of(sha: str, number: int) -> str:
    """Return a line of a script, counted from 1; nothing if it is not ours."""
    lines = _texts.get(sha, "").splitlines()
    return lines[number - 1] if 0 < number <= len(lines) else ""


def quote_names(names: tuple[str, ...]) -> str:
    """Return names as the arguments of a call in Lua."""
    return ", ".join(f"'{name}'" for name in names)


GUARD: Final = """
-- While a cluster moves the store to another node, a key missing here may be there. Asking for two
-- nonexistent keys is then an error, on either node.
local function be_sure_of_absence(base)
  redis.call('EXISTS', base .. 'nothing', base .. 'nothing else')
end

-- Only a key that holds something else is not a failure.
local function is_wrong_type(answer)
  return type(answer) == 'table' and answer.err and string.find(answer.err, 'WRONGTYPE', 1, true)
end

-- Fields of a hash; nil if there is something else.
local function fields_of(key, ...)
  local values = redis.pcall('HMGET', key, ...)
  if is_wrong_type(values) then return nil end
  if values.err then redis.call('HMGET', key, ...) end  -- fails again, and is raised
  return values
end

-- What tells this store from one that replaced it: false if there is none.
local function mark_of(base)
  local mark = redis.pcall('HGET', base .. 'meta', 'mark')
  if type(mark) == 'string' then return mark end
  if mark and not is_wrong_type(mark) then redis.call('HGET', base .. 'meta', 'mark') end
  be_sure_of_absence(base)
  return false
end
"""
