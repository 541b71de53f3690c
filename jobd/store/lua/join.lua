#!lua flags=allow-oom
-- A process joins: from now until its lease ends it may hold jobs, be idle and be woken. Once that has ended, it may
-- join under a new id only.
-- KEYS: leases
-- ARGV: member, lease (ms), lines it serves (separated by spaces; '*' all queues, '!…' suspects), who it is (JSON)
-- Returns: the time (us), or '' if its lease has ended
-- include: head

local key = base .. 'member:' .. ARGV[3]
local lease = redis.call('ZSCORE', leases_key, ARGV[3])
if lease and tonumber(lease) < now then return '' end
touch(key)
redis.call('ZADD', leases_key, now + tonumber(ARGV[4]), ARGV[3])
redis.call('HSET', key, 'lines', ARGV[5], 'about', ARGV[6], 'joined', now, 'lease', ARGV[4])
return string.format('%.0f', now_us)
