#!lua
-- Runs ended jobs again, by hand: with all their attempts, and what is known of the earlier ones kept.
-- KEYS: jobs runs results counts ready ready_solo leases delayed rules holds pauses gated_gates opens uniques periods followers expiring grouped
-- ARGV: when this was first sent (ms) if it is a repeat, else '', then ids
-- Returns: for each id: 'missing', 'waiting' (now, or by the first sending), the letter of the state it is in and
--          stays in, or 'unique <id>' of another job that has its unique key
-- Moves: completed, failed, cancelled → waiting
-- include: head spec run count wake delay rules groups unique gates place unstarted limits claim shelf

local since = tonumber(ARGV[3])
local reply, records, forget, ended, seen = {}, {}, {}, {}, {}

-- Was this job run again by hand since then, and has ended once more by now?
local function retried_since(run)
  local latest
  for at in string.gmatch(run.history, '{"retried_at":(%d+)}') do latest = tonumber(at) end
  return latest and latest >= since
end

local function retry(id)
  local spec, raw = redis.call('HGET', jobs_key, id), redis.call('HGET', runs_key, id)
  if not spec then return 'missing' end
  local run = raw and read_run(raw)
  if not run or run.state == 'w' or run.state == 'd' or run.state == 'b' or run.state == 'a' then
    return run and run.state or 'w'
  end
  if since and retried_since(run) then return 'waiting' end
  local queue, priority, key, unique = spec_place(spec)
  local other = unique ~= '' and claim_again(unique, id, spec, run)
  if other then return 'unique ' .. other end
  local set = shelf_key((shelf_of(spec, queue, run.state)))
  touch(set)
  ended[#ended + 1] = { set = set, id = id }
  forget[#forget + 1] = id
  count(run.state, queue, -1)
  count('w', queue, 1)
  count_group(queue, key, 1)
  if run.state == 'c' then
    local facts = '"worker":"' .. run.holder .. '","outcome":"returned"'
    run.history = remembered(run.history, attempt_words(run, run.finished), facts)
  end
  remember_note(run, 'retried_at', '')
  run.state, run.attempt, run.crashes, run.due, run.holds = 'w', 0, 0, now, ''
  run.flags = bit.bor(bit.band(run.flags, bit.bnot(SUSPECT + CANCEL_ASKED)), BY_HAND)
  watch_limits(id, spec, run)
  records[#records + 1], records[#records + 2] = id, write_run(run)
  place(queue, priority, id, spec_front(spec), key)
  return 'waiting'
end

for i = 4, #ARGV do
  local id = ARGV[i]
  seen[id] = seen[id] or retry(id)
  reply[i - 3] = seen[id]
end

if #records > 0 then
  redis.call('HSET', runs_key, unpack(records))
  redis.call('HDEL', results_key, unpack(forget))
  for _, left in ipairs(ended) do redis.call('ZREM', left.set, left.id) end
end
write_watches()
write_keys()
write_delays()
write_places()
write_amended()
write_opened()
write_counts()
write_groups()
write_wakes()
return reply
