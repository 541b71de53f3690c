#!lua flags=allow-oom
-- Asks that an operation end; what has been done stays done.
-- KEYS: operations
-- ARGV: id
-- Returns: '' if there is none, its state: 'running' if whoever works on it ends it soon
-- include: head

local key = base .. 'operation:' .. ARGV[3]
local its = redis.call('HMGET', key, 'state', 'until')
if not its[1] or not redis.call('ZSCORE', operations_key, ARGV[3]) then return '' end
if its[1] ~= 'running' then return its[1] end
if tonumber(its[2] or 0) >= now then
  redis.call('HSET', key, 'stop', '1')
  return 'running'
end
redis.call('HSET', key, 'state', 'aborted', 'ended', now)
return 'aborted'
