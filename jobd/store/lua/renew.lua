#!lua flags=allow-oom
-- Prolongs leases that have not run out. A lease that has is never revived.
-- KEYS: leases ready_solo
-- ARGV: lease (ms), then members
-- Returns: {1 if suspects wait, then for each member 1 if its lease goes on, else 0}
-- include: head

local reply = { redis.call('ZCARD', ready_solo_key) > 0 and 1 or 0 }
local scores = redis.call('ZMSCORE', leases_key, unpack(ARGV, 4))
for i = 1, #ARGV - 3 do
  local alive = scores[i] and tonumber(scores[i]) >= now
  reply[i + 1] = alive and 1 or 0
  if alive then redis.call('ZADD', leases_key, 'XX', now + tonumber(ARGV[3]), ARGV[i + 3]) end
end
return reply
