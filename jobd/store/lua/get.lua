#!lua flags=no-writes
-- Reads whole jobs, each as it is at this moment.
-- KEYS: jobs runs results progress
-- ARGV: ids
-- Returns: for each id: spec, run record, result, progress ('' where there is none)
-- include: head

local reply = {}
for i = 3, #ARGV do
  local id, at = ARGV[i], 4 * (i - 3)
  reply[at + 1] = redis.call('HGET', jobs_key, id) or ''
  reply[at + 2] = redis.call('HGET', runs_key, id) or ''
  reply[at + 3] = redis.call('HGET', results_key, id) or ''
  reply[at + 4] = redis.call('HGET', progress_key, id) or ''
end
return reply
