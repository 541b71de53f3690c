#!lua flags=allow-oom
-- Cancels jobs: those not started are cancelled at once, for a running one its worker is told.
-- KEYS: jobs runs results progress delayed counts leases waiters ready ready_solo rules holds rates pauses gated_gates opens uniques periods followers shelves grouped
-- ARGV: most cancelled kept, facts (JSON members for the history), then ids
-- Returns: for each id: 'missing', 'cancelled' (now), 'asked' (running; its worker is told), or the letter of the state
--          it has ended in
-- Moves: waiting, delayed, blocked → cancelled; blocked → waiting, delayed
-- include: head spec run count wake delay rules groups unique gates place unstarted gone remove shelf ended

local most, facts = tonumber(ARGV[3]), ARGV[4]
local reply, records, undelayed, asked, seen = {}, {}, {}, {}, {}

local function cancel(id)
  local spec, raw = redis.call('HGET', jobs_key, id), redis.call('HGET', runs_key, id)
  if not spec then return 'missing' end
  local run = raw and read_run(raw) or new_run('w', (spec_place(spec)))
  if run.state == 'a' then
    if not has(run, CANCEL_ASKED) then
      run.flags = bit.bor(run.flags, CANCEL_ASKED)
      remember_note(run, 'asked_at', facts)
      records[#records + 1], records[#records + 2] = id, write_run(run)
    end
    touch(inbox_key(run.holder))
    asked[#asked + 1] = { holder = run.holder, id = id, fence = run.fence }
    return 'asked'
  end
  if run.state ~= 'w' and run.state ~= 'd' and run.state ~= 'b' then return run.state end
  run.holds = let_go(holds_of(spec, run), id, 'x')
  if run.state == 'd' then undelayed[#undelayed + 1] = id elseif run.state == 'w' then leave_lane(id, spec, run) end
  count(run.state, run.queue, -1)
  leave_group(spec)
  run.state, run.finished, run.holder = 'x', now, ''
  remember_note(run, 'cancelled_at', facts)
  records[#records + 1], records[#records + 2] = id, write_run(run)
  finish(id, run.queue, 'x', most, spec)
  return 'cancelled'
end

for i = 5, #ARGV do
  local id = ARGV[i]
  seen[id] = seen[id] or cancel(id)
  reply[i - 4] = seen[id]
end
outnumber()
let_keys_go()
reopen_freed({})

if #records > 0 then redis.call('HSET', runs_key, unpack(records)) end
if #undelayed > 0 then redis.call('ZREM', delayed_key, unpack(undelayed)) end
for _, ask in ipairs(asked) do
  leave_word(ask.holder, string.format('cancel %s %.0f', ask.id, ask.fence))
end
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
