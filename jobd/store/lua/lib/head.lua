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

-- Does this server share its keys with others? It is as it was started, so it is asked once; one that does not say may.
local in_cluster

-- Reads a key that will be written later and is not declared: if it is not to be had, the script fails before any write. In
-- a Cluster the key may be on its way to another server; else one who may use the declared keys may use all of the shard.
local function touch(key)
  if in_cluster == nil then
    local facts = redis.pcall('INFO', 'cluster')
    in_cluster = type(facts) ~= 'string' or string.find(facts, 'cluster_enabled:0', 1, true) == nil
  end
  if in_cluster then redis.call('EXISTS', key) end
end

-- Writes a list or pairs of any length: Lua cannot unpack more than some 8 000 at once. Returns the last answer, nil if
-- there is nothing to write.
local function write_many(command, key, words)
  local answer
  for at = 1, #words, 4000 do
    answer = redis.call(command, key, unpack(words, at, math.min(at + 3999, #words)))
  end
  return answer
end
