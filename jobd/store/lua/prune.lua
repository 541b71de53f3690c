#!lua flags=allow-oom
-- Removes jobs that ended before a time, 500 at most.
-- KEYS: jobs runs results progress delayed counts leases ready ready_solo rules holds pauses gated_gates rates opens uniques periods
-- ARGV: queue, state letter, before (ms ago)
-- Returns: how many were removed
-- Moves: completed, failed, cancelled → gone; blocked → waiting, delayed
-- include: head spec run count wake delay rules unique gates place unstarted gone remove

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
write_delays()
write_places()
write_amended()
write_counts()
write_wakes()
return #ids
