#!lua flags=allow-oom
-- Takes an operation that nobody works on, to work on it as long as it says so in time.
-- KEYS: operations
-- ARGV: who takes it, for how long (ms), id ('' any)
-- Returns: '' if there is none, else {id, what it is (JSON), how far it is (JSON, '' at its begin)}
-- include: head

local MOST_LOOKED = 200
local ids = ARGV[5] ~= '' and { ARGV[5] } or redis.call('ZRANGE', operations_key, 0, MOST_LOOKED - 1)
for _, id in ipairs(ids) do
  local key = base .. 'operation:' .. id
  local its = redis.call('HMGET', key, 'state', 'owner', 'until', 'about', 'progress')
  if its[1] == 'running' and (its[2] == ARGV[3] or tonumber(its[3] or 0) < now) then
    redis.call('HSET', key, 'owner', ARGV[3], 'until', now + tonumber(ARGV[4]))
    return { id, its[4], its[5] or '' }
  end
end
return ''
