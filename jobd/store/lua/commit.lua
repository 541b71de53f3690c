#!lua
-- Commits a staged batch: from now on all of it will be released.
-- KEYS: stages
-- ARGV: batch, how many jobs it has
-- Returns: 'ok', 'short' (not all of it is here) or 'missing' (given up after its deadline)
-- include: head

local stage = ARGV[3]
local state = redis.call('HGET', stages_key, stage)
if not state then return 'missing' end
if not tonumber(state) then return 'ok' end
if redis.call('LLEN', base .. 'stage:' .. stage) < tonumber(ARGV[4]) then return 'short' end
redis.call('HSET', stages_key, stage, 'committed')
return 'ok'
