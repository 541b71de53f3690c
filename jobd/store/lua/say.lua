#!lua
-- What is said of a running job: its progress, or a log line. Refused when the delivery does not hold the job any more. A
-- log line that is sent again is there twice.
-- KEYS: jobs runs progress
-- ARGV: id, holder ('' if others say it: then of the attempt that runs, and a log line also of one that is over), fence,
--       'progress' or 'log', what it says (JSON members)
-- Returns: 1, or 0 if refused; to others 'missing', or the letter of the state in which it is refused
-- include: head run

local id, holder, what, words = ARGV[3], ARGV[4], ARGV[6], ARGV[7]
local MOST_LINES = 1000
local raw = redis.call('HGET', runs_key, id)
local run = raw and read_run(raw)
if holder ~= '' then
  if not run or run.state ~= 'a' or run.holder ~= holder or run.fence ~= tonumber(ARGV[5]) then return 0 end
elseif not run then
  return redis.call('HEXISTS', jobs_key, id) == 1 and 'w' or 'missing'
elseif run.state ~= 'a' and (what == 'progress' or run.deliveries == 0) then
  return run.state
end
local flag
local at = string.format('{"at":%.0f,', now)
if what == 'progress' then
  flag = HAS_PROGRESS
  redis.call('HSET', progress_key, id, at .. words .. '}')
else
  flag = HAS_LOGS
  local logs = base .. 'logs:' .. id
  touch(logs)
  redis.call('RPUSH', logs, at .. '"attempt":' .. run.attempt .. ',' .. words .. '}')
  redis.call('LTRIM', logs, -MOST_LINES, -1)
end
if not has(run, flag) then
  run.flags = bit.bor(run.flags, flag)
  redis.call('HSET', runs_key, id, write_run(run))
end
return 1
