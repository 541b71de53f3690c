#!lua flags=allow-oom
-- A running job is well and asks for more time: its deadline moves. Refused as in say.lua.
-- KEYS: runs
-- ARGV: id, holder, fence, its new deadline (ms from now)
-- Returns: 1, or 0 if refused
-- include: head run

local id, holder = ARGV[3], ARGV[4]
local raw = redis.call('HGET', runs_key, id)
local run = raw and read_run(raw)
if not run or run.state ~= 'a' or run.holder ~= holder or run.fence ~= tonumber(ARGV[5]) then return 0 end
local held = base .. 'held:' .. holder
touch(held)
redis.call('ZADD', held, 'XX', now + tonumber(ARGV[6]), id)
return 1
