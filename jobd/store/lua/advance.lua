#!lua flags=allow-oom
-- Says how far an operation is, and whether it goes on.
-- KEYS: operations
-- ARGV: id, who works on it, for how much longer (ms; 0 gives it to others), its state (running, done, failed), how far
--       it is (JSON)
-- Returns: its state from now on ('aborted' if somebody asked for that), or 'lost' if it is in other hands
-- include: head

local key = base .. 'operation:' .. ARGV[3]
local its = redis.call('HMGET', key, 'state', 'owner', 'stop', 'progress')
if its[2] ~= ARGV[4] or not redis.call('ZSCORE', operations_key, ARGV[3]) then return 'lost' end
if its[1] ~= 'running' then return its[1] end
local state = ARGV[6]
if state == 'running' and its[3] then state = 'aborted' end
redis.call('HSET', key, 'state', state, 'progress', ARGV[7], 'until', now + tonumber(ARGV[5]) - 1)
if state ~= 'running' then redis.call('HSET', key, 'ended', now) end
return state
