#!lua flags=allow-oom
-- Forgets unique keys whose period is over, 500 at most. They are free already: this gives their memory back.
-- KEYS: uniques periods
-- ARGV: none
-- Returns: how many
-- include: head

local over = redis.call('ZRANGEBYSCORE', periods_key, '-inf', now, 'LIMIT', 0, 500)
if #over > 0 then
  redis.call('HDEL', uniques_key, unpack(over))
  redis.call('ZREM', periods_key, unpack(over))
end
return #over
