#!lua flags=allow-oom
-- Ends jobs that wait although their time has passed, 500 at most. Those that run are ended by their workers.
-- KEYS: jobs runs results progress delayed counts leases waiters ready ready_solo rules holds rates pauses gated_gates opens uniques periods followers expiring shelves grouped
-- ARGV: most failed or cancelled kept, facts (JSON members for the history) for a job that has expired, for one past its
--       deadline, for one that waited too long
-- Returns: how many were looked at
-- Moves: waiting, delayed → failed, cancelled; blocked → waiting, delayed
-- include: head spec run count wake delay rules groups unique gates place unstarted limits gone remove shelf ended

local most, facts = tonumber(ARGV[3]), { expires = ARGV[4], deadline = ARGV[5], queue = ARGV[6] }
local LATER = 60000
local ids = redis.call('ZRANGEBYSCORE', expiring_key, '-inf', now, 'LIMIT', 0, 500)
if #ids == 0 then return 0 end
local specs = redis.call('HMGET', jobs_key, unpack(ids))
local runs = redis.call('HMGET', runs_key, unpack(ids))
local records, undelayed, over = {}, {}, {}

local function expire(id, spec, run, why)
  over[#over + 1] = id
  if run.state == 'd' then undelayed[#undelayed + 1] = id else leave_lane(id, spec, run) end
  count(run.state, run.queue, -1)
  leave_group(spec)
  run.state, run.finished, run.holder = why == 'expires' and 'x' or 'f', now, ''
  remember_note(run, 'expired_at', facts[why])
  records[#records + 1], records[#records + 2] = id, write_run(run)
  finish(id, run.queue, run.state, most, spec)
end

for i = 1, #ids do
  local id, spec, run = ids[i], specs[i], runs[i] and read_run(runs[i])
  local state = run and run.state or 'w'
  if not spec or state == 'c' or state == 'f' or state == 'x' then
    over[#over + 1] = id
  elseif state == 'a' or state == 'b' then
    watches[#watches + 1], watches[#watches + 2] = now + LATER, id
  else
    local at, why = too_late(spec, run)
    if at > now then
      watches[#watches + 1], watches[#watches + 2] = math.min(at, now + DAY), id
    else
      run = run or new_run('w', (spec_place(spec)))
      run.holds = let_go(holds_of(spec, run), id, why == 'expires' and 'x' or 'f')
      expire(id, spec, run, why)
    end
  end
end
outnumber()
let_keys_go()
reopen_freed({})

if #over > 0 then redis.call('ZREM', expiring_key, unpack(over)) end
write_watches()
if #records > 0 then redis.call('HSET', runs_key, unpack(records)) end
if #undelayed > 0 then redis.call('ZREM', delayed_key, unpack(undelayed)) end
write_ended()
write_freed()
write_keys()
write_delays()
write_places()
write_amended()
write_opened()
write_counts()
write_groups()
write_wakes()
write_tellings()
return #ids
