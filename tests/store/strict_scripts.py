"""The scripts under watch: one that breaks the rule of keys fails, and the test with it.

The rule: keys that are known are declared, any other key is read before the first write. Then a script that cannot use
a key (a slot on the move, a right that is missing) fails before it has changed anything.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache

from jobd.store.scripts import Script, load

_WATCH = """
local redis = (function()
  local real, seen, wrote = redis, {}, false
  local reads = {}
  for word in string.gmatch([[EXISTS GET HEXISTS HGET HLEN HMGET LINDEX LLEN LRANGE SISMEMBER SMISMEMBER SRANDMEMBER
    ZCARD ZCOUNT ZMSCORE ZRANGE ZRANGEBYSCORE ZSCORE]], '%S+') do reads[word] = true end
  for _, key in ipairs(KEYS) do seen[key] = true end
  local function watch(command, key)
    if string.sub(key, 1, #ARGV[2]) ~= ARGV[2] then error('not a key of this shard: ' .. key) end
    if seen[key] then
      wrote = wrote or not reads[command]
    elseif reads[command] and not wrote then
      seen[key] = true
    else
      error(command .. ' is the first to touch ' .. key .. (wrote and ' after a write' or ''))
    end
  end
  return setmetatable({
    call = function(command, ...)
      if command == 'UNLINK' then
        for _, key in ipairs({ ... }) do watch(command, key) end
      elseif command ~= 'TIME' then
        watch(command, (...))
      end
      return real.call(command, ...)
    end,
  }, { __index = real })
end)()
"""


@cache
def strict(name: str) -> Script:
    """The script of this name, under watch."""
    script = load(name)
    shebang, _, body = script.source.decode().partition("\n")
    source = f"{shebang}\n{_WATCH}\n{body}".encode()
    return replace(script, source=source, sha=hashlib.sha1(source, usedforsecurity=False).hexdigest())
