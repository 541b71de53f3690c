#!lua flags=allow-oom
-- Removes jobs from a shelf that ended before a time, and the oldest of those that are too many, 500 at most.
-- KEYS: jobs runs results progress delayed counts leases ready ready_solo rules holds pauses gated_gates opens uniques periods followers shelves
-- ARGV: shelf, before (ms ago; '' never), how many are kept ('' all), how long those stay that are too many (ms)
-- Returns: how many were removed
-- Moves: completed, failed, cancelled → gone; blocked → waiting, delayed
-- include: head spec run count wake delay rules unique gates place unstarted gone remove

local name, most, linger = ARGV[3], tonumber(ARGV[5]), now - tonumber(ARGV[6])
local queue, state = string.match(name, '^([^:]*):(%a)')
local ended = base .. 'ended:' .. name
local ids = ARGV[4] ~= '' and redis.call('ZRANGEBYSCORE', ended, '-inf', now - tonumber(ARGV[4]), 'LIMIT', 0, 500) or {}
local excess = most and math.min(redis.call('ZCARD', ended) - most, 500) or 0
if excess > #ids then
  ids = {}
  local oldest = redis.call('ZRANGE', ended, 0, excess - 1, 'WITHSCORES')
  for i = 1, #oldest, 2 do
    if tonumber(oldest[i + 1]) <= linger then ids[#ids + 1] = oldest[i] end
  end
end
if #ids == 0 then
  if redis.call('EXISTS', ended) == 0 then redis.call('HDEL', shelves_key, name) end
  return 0
end
remove(ids)
let_keys_go()
count(state, queue, -#ids)
redis.call('ZREM', ended, unpack(ids))
write_removed()
write_keys()
write_delays()
write_places()
write_amended()
write_opened()
write_counts()
write_wakes()
return #ids
