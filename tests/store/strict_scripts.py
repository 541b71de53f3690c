"""The scripts under watch: one that breaks the rule of keys fails, and the test with it.

The rule: keys that are known are declared, any other key is read before the first write. Then a script that cannot use
a key (a slot on the move, a right that is missing) fails before it has changed anything.
"""

from __future__ import annotations

from functools import cache

from jobd.store.scripts import Script, library

_WATCH = """
local function real() return redis end
local redis = (function()
  local seen, wrote, base
  local read_only = [[ EXISTS GET HEXISTS HGET HLEN HMGET LINDEX LLEN LRANGE SISMEMBER SMISMEMBER SRANDMEMBER
    ZCARD ZCOUNT ZMSCORE ZRANGE ZRANGEBYSCORE ZSCORE ]]
  local function watch(command, key)
    if string.sub(key, 1, #base) ~= base then error('not a key of this shard: ' .. key) end
    local reads = string.find(read_only, ' ' .. command .. '%s')
    if seen[key] then
      wrote = wrote or not reads
    elseif reads and not wrote then
      seen[key] = true
    else
      error(command .. ' is the first to touch ' .. key .. (wrote and ' after a write' or ''))
    end
  end
  local watched = {}
  watched.register_function = function(told)
    local callback = told.callback
    told.callback = function(keys, arguments)
      seen, wrote, base = {}, false, arguments[2]
      for name in string.gmatch(declared[string.match(told.function_name, '_(%l+)$')], '%S+') do
        seen[base .. name] = true
      end
      watched.sha1hex = real().sha1hex
      return callback(keys, arguments)
    end
    real().register_function(told)
  end
  -- for scripts/mutate, whose scripts say where they come by
  watched.log, watched.LOG_WARNING = function(...) real().log(...) end, 3
  -- as in a Cluster, where what will be written is read before
  watched.pcall = function() return 'cluster_enabled:1' end
  watched.call = function(command, ...)
    if command == 'UNLINK' or command == 'EXISTS' then
      for _, key in ipairs({ ... }) do watch(command, key) end
    elseif command ~= 'TIME' then
      watch(command, (...))
    end
    return real().call(command, ...)
  end
  return watched
end)()
"""


@cache
def strict(name: str) -> Script:
    """The script of this name, under watch."""
    declared = ", ".join(f"{script.name} = '{' '.join(script.keys)}'" for script in library().values())
    return library(ahead=f"local declared = {{ {declared} }}{_WATCH}")[name]
