#!lua flags=allow-oom
-- Makes waiting what is due, 500 at most; what is left is for the next call.
-- KEYS: jobs runs delayed counts ready ready_solo leases
-- ARGV: the scheduler that asks ('' if none); it is idle, and woken for the next one due, when nothing is due any more
-- Returns: {how many were promoted, when the next one is due (ms; -1 if none is), the time (ms)}
-- Moves: delayed → waiting
-- include: head spec run count wake place

local due = redis.call('ZRANGEBYSCORE', delayed_key, '-inf', now, 'LIMIT', 0, 500)
local records, plain = {}, {}
if #due > 0 then
  local specs = redis.call('HMGET', jobs_key, unpack(due))
  local runs = redis.call('HMGET', runs_key, unpack(due))
  for i = 1, #due do
    local run = runs[i] and read_run(runs[i])
    if specs[i] and run and run.state == 'd' then
      local queue, priority = spec_place(specs[i])
      place(line_of(queue, has(run, SUSPECT)), priority, due[i])
      count('d', queue, -1)
      count('w', queue, 1)
      if run.deliveries == 0 and run.history == '' then
        plain[#plain + 1] = due[i]
      else
        run.state = 'w'
        records[#records + 1] = due[i]
        records[#records + 1] = write_run(run)
      end
    end
  end
end
local scheduler = ARGV[3]
local lease = scheduler ~= '' and redis.call('ZSCORE', leases_key, scheduler)
local idle = #due < 500 and lease and tonumber(lease) >= now
if idle then touch(idle_key('@scheduler')) end

if #due > 0 then redis.call('ZREMRANGEBYRANK', delayed_key, 0, #due - 1) end
if #plain > 0 then redis.call('HDEL', runs_key, unpack(plain)) end
if #records > 0 then redis.call('HSET', runs_key, unpack(records)) end
write_places()
write_counts()
write_wakes()
if idle then redis.call('SADD', idle_key('@scheduler'), scheduler) end
local next_due = redis.call('ZRANGE', delayed_key, 0, 0, 'WITHSCORES')
return { #due, tonumber(next_due[2]) or -1, now }
