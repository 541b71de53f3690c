#!lua flags=allow-oom
-- Applies verdicts to deliveries that their holder still has, and takes in what completed handlers enqueued.
-- KEYS: jobs runs results progress delayed counts ready ready_solo leases waiters
-- ARGV: holder, most completed kept, most failed or cancelled kept, number of completions, for each: id, fence, result;
--       number of other verdicts, for each: id, fence, verdict, due, facts; then what was enqueued, as in intake.lua.
--       A verdict is the new state (w d f x) and marks: u the attempt is not spent, s suspect from now on, k crashed
--       alone. `due` is '+ms' from now or 'ms'. `facts` are JSON members for the history.
-- Returns: for each, in the order given: 1 applied, 2 applied before (a repeat) or over and removed, 0 refused (somebody
--          else has the job). A job that is to be cancelled is not delayed and does not wait again: it is cancelled.
-- Moves: active → completed, failed, cancelled, delayed, waiting
-- include: head spec run count wake place delay gone intake remove ended

local holder, most_completed, most_failed = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local held_set = base .. 'held:' .. holder
local completions = tonumber(ARGV[6])
local others_at = 7 + 3 * completions
local others = tonumber(ARGV[others_at])
local children_at = others_at + 1 + 5 * others

local reply, records, let_go, results, completed, settled = {}, {}, {}, {}, {}, {}
local ids = {}
for i = 1, completions do ids[i] = ARGV[4 + 3 * i] end
for i = 1, others do ids[completions + i] = ARGV[others_at - 4 + 5 * i] end
local runs = #ids > 0 and redis.call('HMGET', runs_key, unpack(ids)) or {}

-- The run record, if the holder still has the job under this fence; else nil, after noting the answer.
local function held(i, fence)
  local id, run = ids[i], runs[i] and read_run(runs[i])
  if not run then
    reply[i] = gone_at(id) > 0 and 2 or 0
  elseif run.fence ~= fence then
    reply[i] = 0
  elseif run.state ~= 'a' or settled[id] then
    reply[i] = 2
  elseif run.holder ~= holder then
    reply[i] = 0
  else
    reply[i] = 1
    settled[id] = true
    let_go[#let_go + 1] = id
    count('a', run.queue, -1)
    return run
  end
end

local function keep(id, run)
  records[#records + 1] = id
  records[#records + 1] = write_run(run)
end

local function settle_ended(id, run, state, most)
  run.state, run.finished = state, now
  count(state, run.queue, 1)
  finish(id, run.queue, state, most)
  keep(id, run)
end

for i = 1, completions do
  local id, fence, result = ids[i], tonumber(ARGV[5 + 3 * i]), ARGV[6 + 3 * i]
  local run = held(i, fence)
  if run then
    completed[id] = true
    if result ~= '' then
      results[#results + 1] = id
      results[#results + 1] = result
    end
    settle_ended(id, run, 'c', most_completed)
  end
end

for j = 1, others do
  local i, at = completions + j, others_at - 4 + 5 * j
  local id, fence, verdict, due, facts = ids[i], tonumber(ARGV[at + 1]), ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  local run = held(i, fence)
  if run then
    local state, marks = string.sub(verdict, 1, 1), string.sub(verdict, 2)
    remember_attempt(run, now, facts)
    if string.find(marks, 'u', 1, true) then run.attempt = run.attempt - 1 end
    if string.find(marks, 'k', 1, true) then run.crashes = math.min(run.crashes + 1, 255) end
    if string.find(marks, 's', 1, true) then
      run.flags = bit.bor(run.flags, SUSPECT)
    elseif state == 'd' then
      -- its attempt came to an orderly end, in a process of its own if it was a suspect: it is none any more
      run.flags = bit.band(run.flags, bit.bnot(SUSPECT))
    end
    if has(run, CANCEL_ASKED) and (state == 'd' or state == 'w') then state = 'x' end
    if state == 'd' then
      run.state, run.finished = 'd', now
      run.due = string.sub(due, 1, 1) == '+' and now + tonumber(string.sub(due, 2)) or tonumber(due)
      count('d', run.queue, 1)
      delay(id, run.due)
      keep(id, run)
    elseif state == 'w' then
      local _, priority = spec_place(redis.call('HGET', jobs_key, id))
      run.state, run.finished = 'w', now
      count('w', run.queue, 1)
      place(line_of(run.queue, has(run, SUSPECT)), priority, id, true)
      keep(id, run)
    else
      settle_ended(id, run, state, most_failed)
    end
  end
end
take_in(children_at, completed)
outnumber()
touch(held_set)

write_intake()
if #records > 0 then
  redis.call('ZREM', held_set, unpack(let_go))
  redis.call('HSET', runs_key, unpack(records))
end
if #results > 0 then redis.call('HSET', results_key, unpack(results)) end
write_ended()
write_delays()
write_places()
write_counts()
write_wakes()
write_tellings()
return reply
