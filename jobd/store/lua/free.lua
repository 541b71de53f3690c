#!lua flags=allow-oom
-- Frees a unique key by hand. The owner goes on without it, and a job that followed the owner waits no longer.
-- KEYS: jobs runs delayed counts ready ready_solo leases rules holds pauses gated_gates opens uniques periods followers
-- ARGV: key, the owner it is to be taken from
-- Returns: what it was, as in lib/unique.lua; '' if it was free; '!' and what it is, if another one has it
-- Moves: blocked → waiting, delayed
-- include: head spec run count wake delay rules unique gates place unstarted

local name, owner = ARGV[3], ARGV[4]
local here = unique_key(name)
if not here.owner then return '' end
local was = redis.call('HGET', uniques_key, name)
if owner ~= here.owner then return '!' .. was end
if here.follower then let_follow(here.follower, name) end
set_follower(here, nil)
here.owner = nil

write_keys()
write_delays()
write_places()
write_amended()
write_opened()
write_counts()
write_wakes()
return was
