#!lua flags=allow-oom
-- Forgets unique keys and answers whose time is over, 500 of each at most. They hold for nobody already: this gives
-- their memory back.
-- KEYS: uniques periods answers answered
-- ARGV: none
-- Returns: how many, of the kind of which there were more
-- include: head

local function sweep(records, ends)
  local over = redis.call('ZRANGEBYSCORE', ends, '-inf', now, 'LIMIT', 0, 500)
  if #over > 0 then
    redis.call('HDEL', records, unpack(over))
    redis.call('ZREM', ends, unpack(over))
  end
  return #over
end

return math.max(sweep(uniques_key, periods_key), sweep(answers_key, answered_key))
