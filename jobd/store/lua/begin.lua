#!lua
-- Begins an operation: something that is to be done to many jobs, in chunks, by whoever takes it.
-- KEYS: operations
-- ARGV: id, what it is (JSON), how many ended ones are kept
-- Returns: 'ok'
-- include: head

local MOST_LOOKED = 20
local id = ARGV[3]
local key = base .. 'operation:' .. id
if redis.call('EXISTS', key) == 1 then return 'ok' end
local old = {}
if redis.call('ZCARD', operations_key) >= tonumber(ARGV[5]) then
  for _, name in ipairs(redis.call('ZRANGE', operations_key, 0, MOST_LOOKED - 1)) do
    if redis.call('HGET', base .. 'operation:' .. name, 'state') ~= 'running' then old[#old + 1] = name end
  end
end
redis.call('HSET', key, 'about', ARGV[4], 'state', 'running', 'began', now)
redis.call('ZADD', operations_key, now, id)
for _, name in ipairs(old) do
  redis.call('UNLINK', base .. 'operation:' .. name)
  redis.call('ZREM', operations_key, name)
end
return 'ok'
