#!lua flags=allow-oom
-- A process has left, or is seen to have died: what it held may be taken over at once.
-- KEYS: leases
-- ARGV: member, cause ('' for a clean leave)
-- Returns: how many jobs it left behind
-- include: head wake part

local member, cause = ARGV[3], ARGV[4]
local left = redis.call('ZCARD', held_key(member))
if not redis.call('ZSCORE', leases_key, member) then return left end
if left == 0 then
  part(member)
  write_partings()
else
  busy = member
  choose_idle('@monitor')
  touch(member_key(member))
  redis.call('ZADD', leases_key, 0, member)
  redis.call('HSET', member_key(member), 'cause', cause)
  write_wakes()
end
return left
