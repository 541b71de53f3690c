#!lua flags=allow-oom
-- A member says anew who it is.
-- KEYS: leases
-- ARGV: member, who it is (JSON)
-- Returns: 1, or 0 if it has left
-- include: head

local key = base .. 'member:' .. ARGV[3]
if not redis.call('ZSCORE', leases_key, ARGV[3]) then return 0 end
touch(key)
redis.call('HSET', key, 'about', ARGV[4])
return 1
