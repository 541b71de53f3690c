#!lua
-- Moves jobs that have not started, or have failed: each ends as cancelled, and another is made in its place.
-- KEYS: jobs runs results progress delayed counts leases waiters ready ready_solo rules holds rates pauses gated_gates opens uniques periods followers expiring shelves grouped
-- ARGV: most cancelled kept, how many, for each: id, SHA-1 of its spec without version and time as the caller read it, id
--       of the new one, facts (JSON members for the history); then the new ones, as in intake.lua, with the number of
--       the old one as parent
-- Returns: for each: 'missing', 'stale' (its spec is another than the caller read), 'moved', or the letter of the state
--          it is in and stays in
-- Moves: waiting, delayed, blocked, failed → cancelled; – → waiting, delayed; blocked → waiting, delayed
-- include: head spec run count wake delay rules groups unique gates place unstarted limits gone claim intake remove shelf ended

local STAMP = 9
local most, number = tonumber(ARGV[3]), tonumber(ARGV[4])
local reply, parents, records, undelayed, left, seen = {}, {}, {}, {}, {}, {}

local function move(id, check, new_id, facts)
  local spec, raw = redis.call('HGET', jobs_key, id), redis.call('HGET', runs_key, id)
  if not spec then return 'missing' end
  local queue = spec_place(spec)
  local run = raw and read_run(raw) or new_run('w', queue)
  local link = '"moved_to":"' .. new_id .. '"'
  -- a repeat: it has been moved so already
  if string.find(run.history, link, 1, true) then return 'moved' end
  if run.state == 'a' or run.state == 'c' or run.state == 'x' then return run.state end
  if redis.sha1hex(string.sub(spec, STAMP + 1)) ~= check then return 'stale' end
  run.holds = let_go(run.state == 'f' and run.holds or holds_of(spec, run), id, 'x')
  if run.state == 'f' then
    local set = shelf_key((shelf_of(spec, queue, 'f')))
    touch(set)
    left[#left + 1] = { set = set, id = id }
  else
    leave_group(spec)
    if run.state == 'd' then undelayed[#undelayed + 1] = id elseif run.state == 'w' then leave_lane(id, spec, run) end
  end
  count(run.state, queue, -1)
  run.state, run.finished, run.holder = 'x', now, ''
  remember_note(run, 'moved_at', facts == '' and link or link .. ',' .. facts)
  records[#records + 1], records[#records + 2] = id, write_run(run)
  finish(id, queue, 'x', most, spec)
  return 'moved', '1'
end

for i = 1, number do
  local at = 1 + 4 * i
  local id = ARGV[at]
  if seen[id] then
    reply[i] = seen[id]
  else
    reply[i], parents[i] = move(id, ARGV[at + 1], ARGV[at + 2], ARGV[at + 3])
    seen[id] = reply[i]
  end
end
outnumber()
let_keys_go()
take_in(5 + 4 * number, parents)
reopen_freed({})

write_intake()
for _, ended in ipairs(left) do redis.call('ZREM', ended.set, ended.id) end
write_many('HSET', runs_key, records)
write_many('ZREM', delayed_key, undelayed)
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
return reply
