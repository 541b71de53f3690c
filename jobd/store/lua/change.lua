#!lua
-- Changes jobs that have not started: what they are (their specs), and when they may run.
-- KEYS: jobs runs delayed counts ready ready_solo leases rules holds rates pauses gated_gates opens uniques periods followers expiring grouped
-- ARGV: for each job: id, SHA-1 of its spec without version and time as the caller read it ('' if that is not asked),
--       its new spec without them ('' as it is), when it may run ('' as it is, 'now', '+ms' from now, 'ms' at)
-- Returns: for each: 'missing', 'stale' (its spec is another than the caller read), 'done', or the letter of the state it
--          is in and that does not allow it
-- Moves: delayed → waiting; waiting → delayed; blocked → waiting, delayed
-- include: head spec run count wake delay rules groups unique gates place unstarted limits

local STAMP = 9
local reply, specs, records, undelayed = {}, {}, {}, {}

local function change(id, check, rest, due)
  local spec, raw = redis.call('HGET', jobs_key, id), redis.call('HGET', runs_key, id)
  if not spec then return 'missing' end
  local queue, priority, key, unique = spec_place(spec)
  local touched = false
  local run = raw and read_run(raw) or new_run('w', queue)
  if run.state ~= 'w' and run.state ~= 'd' and run.state ~= 'b' then return run.state end
  local here, changed = string.sub(spec, STAMP + 1), spec
  if rest ~= '' then
    if rest ~= here and redis.sha1hex(here) ~= check then return 'stale' end
    changed = string.sub(spec, 1, STAMP) .. rest
    -- limits that are said anew count from now
    if due ~= '' or limit_words(changed) ~= limit_words(spec) then
      changed = string.sub(spec, 1, STAMP) .. string.sub(with_moments(stamp() .. rest), STAMP + 1)
    end
    if changed ~= spec then
      specs[#specs + 1], specs[#specs + 2] = id, changed
      regroup(spec, changed)
      -- it is released by its spec
      if run.fence ~= 0 and run.state == 'b' then run.fence, touched = 0, true end
    end
  end
  local when = tonumber(due)
  if due == 'now' then when = now elseif string.sub(due, 1, 1) == '+' then when = now + tonumber(string.sub(due, 2)) end
  local state, _, its_priority, its_words = run.state, spec_place(changed)
  if run.state ~= 'b' and when then
    state = when > now and 'd' or 'w'
    -- the same again; or it waits already, and keeps its place
    if state == run.state and (state == 'w' or run.due == when) then when = nil end
  end
  local elsewhere = lane_of(its_priority, its_words) ~= lane_of(priority, key)
  local leaves = run.state == 'w' and (state == 'd' or its_words ~= key)
  if leaves then leave_lane(id, spec, run) end
  if leaves or turn_of(changed) ~= turn_of(spec) then
    -- its turn in an order is not kept for what goes elsewhere
    local kept = leave_turn(holds_of(spec, run), id)
    if run.holds ~= '' then run.holds, touched = kept, true end
  end
  if state ~= run.state then
    if unique ~= '' then leave_key(unique, id, state) end
    count(run.state, queue, -1)
    count(state, queue, 1)
    if run.state == 'd' then undelayed[#undelayed + 1] = id end
  end
  if state == 'd' and when then delay(id, when) end
  if state == 'w' and (run.state == 'd' or elsewhere) then
    local front = run.deliveries > 0 or spec_front(changed)
    place(line_of(queue, has(run, SUSPECT)), its_priority, id, front, its_words)
  end
  if when or touched then
    run.state, run.due = state, when or run.due
    records[#records + 1], records[#records + 2] = id, write_run(run)
  end
  if when or changed ~= spec then watch_limits(id, changed, run) end
  return 'done'
end

local seen = {}
for i = 3, #ARGV, 4 do
  local id = ARGV[i]
  seen[id] = seen[id] or change(id, ARGV[i + 1], ARGV[i + 2], ARGV[i + 3])
  reply[#reply + 1] = seen[id]
end
let_keys_go()
reopen_freed({})

write_watches()
write_many('HSET', jobs_key, specs)
write_many('HSET', runs_key, records)
write_many('ZREM', delayed_key, undelayed)
write_freed()
write_keys()
write_delays()
write_places()
write_amended()
write_opened()
write_counts()
write_groups()
write_wakes()
return reply
