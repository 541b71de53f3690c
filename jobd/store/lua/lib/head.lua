-- What every script starts with. ARGV[1] is the time in microseconds that a test dictates, empty in earnest;
-- ARGV[2] is the prefix of the shard's keys.
local function time_us()
  if ARGV[1] ~= '' then return tonumber(ARGV[1]) end
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

-- The fixed keys of the shard; those of the call before if it was for the same one.
local fixed

local function enter(shard)
  if not fixed or rawget(fixed, 'base') ~= shard then
    fixed = setmetatable({ base = shard }, { __index = function(made, name)
      rawset(made, name, shard .. name)
      return made[name]
    end })
  end
  return shard
end

local base, now_us = enter(ARGV[2]), time_us()
local now = math.floor(now_us / 1000)

-- Reads a key that will be written later and is not declared: if it cannot be used, the script fails before any write.
local function touch(key)
  redis.call('EXISTS', key)
end

-- Writes a list or pairs of any length: Lua cannot unpack more than some 8 000 at once.
local function write_many(command, key, words)
  for at = 1, #words, 4000 do
    redis.call(command, key, unpack(words, at, math.min(at + 3999, #words)))
  end
end
