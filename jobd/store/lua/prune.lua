#!lua flags=allow-oom
-- Removes jobs that ended before a time, 500 at most.
-- KEYS: jobs runs results progress counts uniques periods
-- ARGV: queue, state letter, before (ms ago)
-- Returns: how many were removed
-- Moves: completed, failed, cancelled → gone
-- include: head run count unique gone remove

local queue, state = ARGV[3], ARGV[4]
local ended = base .. 'ended:' .. queue .. ':' .. state
local ids = redis.call('ZRANGEBYSCORE', ended, '-inf', now - tonumber(ARGV[5]), 'LIMIT', 0, 500)
if #ids == 0 then return 0 end
remove(ids)
let_keys_go()
count(state, queue, -#ids)
redis.call('ZREM', ended, unpack(ids))
write_removed()
write_keys()
write_counts()
return #ids
