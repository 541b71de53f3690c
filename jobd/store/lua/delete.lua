#!lua flags=allow-oom
-- Removes jobs, and all that is known of them. The worker of one that runs is told to stop it.
-- KEYS: jobs runs results progress delayed counts leases waiters ready ready_solo rules holds rates pauses gated_gates opens uniques periods followers grouped
-- ARGV: letters of the states in which they may be removed, then ids
-- Returns: for each id: 'missing', 'gone' (now, or lately), or the letter of the state it is in and stays in
-- Moves: waiting, delayed, blocked, active, completed, failed, cancelled → gone; blocked → waiting, delayed
-- include: head spec run count wake delay rules groups unique gates place unstarted gone remove shelf ended

local allowed = ARGV[3]
local reply, ids, undelayed, left, stopped, left_by, seen = {}, {}, {}, {}, {}, {}, {}

-- Reads: the state of a job whose record does not tell it, by the list it is in. Who waits has no list of its own to be
-- found in without its lane, and mostly no record that could be damaged: what is in none of them is in hand.
local function state_found(id, spec, queue)
  if redis.call('ZSCORE', delayed_key, id) then return 'd' end
  for state in string.gmatch('cfx', '.') do
    local shelf = shelf_key((shelf_of(spec, queue, state)))
    if redis.call('ZSCORE', shelf, id) then return state end
  end
  return 'a'
end

local function delete(id)
  local spec, raw = redis.call('HGET', jobs_key, id), redis.call('HGET', runs_key, id)
  if not spec then return gone_at(id) > 0 and 'gone' or 'missing' end
  local queue, _, _, unique = spec_place(spec)
  local run = raw and read_run(raw) or new_run('w', queue)
  if not string.find('wdbacfx', run.state, 1, true) then
    -- its record is damaged: it may be deleted, whatever its state was
    run = new_run(string.match(raw, '^.([wdbacfx])') or state_found(id, spec, queue), queue)
  elseif not string.find(allowed, run.state, 1, true) then
    return run.state
  end
  if run.state == 'a' and run.holder == '' then
    let_go(holds_of(spec), id, '-')
    tell(id)
  elseif run.state == 'a' then
    let_go(run.holds, id, '-')
    tell(id)
    touch(base .. 'held:' .. run.holder)
    touch(inbox_key(run.holder))
    stopped[#stopped + 1] = { holder = run.holder, id = id, fence = run.fence }
    left_by[queue] = true
  elseif run.state == 'w' or run.state == 'd' or run.state == 'b' then
    let_go(holds_of(spec, run), id, '-')
    leave_group(spec)
    tell(id)
    if run.state == 'd' then undelayed[#undelayed + 1] = id elseif run.state == 'w' then leave_lane(id, spec, run) end
  else
    local set = shelf_key((shelf_of(spec, queue, run.state)))
    touch(set)
    left[#left + 1] = { set = set, id = id }
    if unique ~= '' then leave_key(unique, id, '-') end
  end
  count(run.state, queue, -1)
  ids[#ids + 1] = id
  return 'gone'
end

for i = 4, #ARGV do
  local id = ARGV[i]
  seen[id] = seen[id] or delete(id)
  reply[i - 3] = seen[id]
end
remove(ids)
let_keys_go()
reopen_freed(left_by)

for _, ended in ipairs(left) do redis.call('ZREM', ended.set, ended.id) end
write_many('ZREM', delayed_key, undelayed)
for _, stop in ipairs(stopped) do
  redis.call('ZREM', base .. 'held:' .. stop.holder, stop.id)
  leave_word(stop.holder, string.format('cancel %s %.0f', stop.id, stop.fence))
end
write_removed()
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
