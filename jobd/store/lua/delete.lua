#!lua flags=allow-oom
-- Removes jobs that do not run, and all that is known of them.
-- KEYS: jobs runs results progress delayed counts leases waiters ready ready_solo rules holds pauses gated_gates rates opens uniques periods
-- ARGV: letters of the states in which they may be removed, then ids
-- Returns: for each id: 'missing', 'gone' (now, or lately), or the letter of the state it is in and stays in
-- Moves: waiting, delayed, blocked, completed, failed, cancelled → gone; blocked → waiting, delayed
-- include: head spec run count wake delay rules unique gates place unstarted gone remove ended

local allowed = ARGV[3]
local reply, ids, undelayed, left, seen = {}, {}, {}, {}, {}

local function delete(id)
  local spec, raw = redis.call('HGET', jobs_key, id), redis.call('HGET', runs_key, id)
  if not spec then return gone_at(id) > 0 and 'gone' or 'missing' end
  local queue, _, _, unique = spec_place(spec)
  local run = raw and read_run(raw) or new_run('w', queue)
  if run.state == 'a' or not string.find(allowed, run.state, 1, true) then return run.state end
  if run.state == 'w' or run.state == 'd' or run.state == 'b' then
    let_go(holds_of(spec, run), id, '-')
    tell(id)
    if run.state == 'd' then undelayed[#undelayed + 1] = id end
  else
    local set = base .. 'ended:' .. queue .. ':' .. run.state
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
reopen_freed({})

for _, ended in ipairs(left) do redis.call('ZREM', ended.set, ended.id) end
write_many('ZREM', delayed_key, undelayed)
write_removed()
write_freed()
write_keys()
write_delays()
write_places()
write_amended()
write_opened()
write_counts()
write_wakes()
write_tellings()
return reply
