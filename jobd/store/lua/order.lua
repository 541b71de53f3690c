#!lua flags=allow-oom
-- Tells a member what people want of it. It is written down as well: the word is lost if the member's connection ends as it
-- comes.
-- KEYS: leases
-- ARGV: member, word
-- Returns: 1, or 0 if it has left, or its lease has run out
-- include: head wake

local lease = redis.call('ZSCORE', leases_key, ARGV[3])
if not lease or tonumber(lease) < now then return 0 end
touch(inbox_key(ARGV[3]))
touch(member_key(ARGV[3]))
redis.call('HSET', member_key(ARGV[3]), 'asked', ARGV[4])
leave_word(ARGV[3], 'do ' .. ARGV[4])
return 1
