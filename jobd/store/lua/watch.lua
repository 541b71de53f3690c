#!lua flags=allow-oom
-- Asks to be told in an inbox when a job ends.
-- KEYS: jobs runs waiters
-- ARGV: id, inbox
-- Returns: 'missing', 'ended', or 'watching'
-- include: head run

local id, inbox = ARGV[3], ARGV[4]
if redis.call('HEXISTS', jobs_key, id) == 0 then return 'missing' end
local raw = redis.call('HGET', runs_key, id)
local state = raw and read_run(raw).state
if state == 'c' or state == 'f' or state == 'x' then return 'ended' end
local watching = redis.call('HGET', waiters_key, id)
if not watching then
  redis.call('HSET', waiters_key, id, inbox)
elseif not string.find(' ' .. watching .. ' ', ' ' .. inbox .. ' ', 1, true) then
  -- at most the last 64 are told at once; others find out by asking now and then
  if #watching > 64 * 28 then watching = string.sub(watching, (string.find(watching, ' ', 1, true)) + 1) end
  redis.call('HSET', waiters_key, id, watching .. ' ' .. inbox)
end
return 'watching'
