#!lua flags=allow-oom
-- Applies verdicts to deliveries that their holder still has, and takes in what completed handlers enqueued.
-- KEYS: jobs runs results progress delayed counts ready ready_solo leases waiters rules holds rates pauses gated_gates opens uniques periods followers expiring shelves grouped
-- ARGV: holder, most completed kept, most failed or cancelled kept, number of completions, their ids, their results, number
--       of fences, each with how many completions in turn have it; number of other verdicts, for each: id, fence, verdict, due, facts; then what was enqueued, as in intake.lua,
--       with the number of its completion as parent.
--       A verdict is the new state (w d f x) and marks: u the attempt is not spent, s suspect from now on, k crashed
--       alone, n it never began, l its rate holds until it is due: that of its rate key, or of its queue; without any it is delayed. `due` is '+ms' from now or 'ms'. `facts` are JSON members for the history.
-- Returns: a digit for each, in the order given: 1 applied, 2 applied before (a repeat) or over and removed, 0 refused
--          (somebody else has the job); or {'changed', queue, its rule, …} and nothing done, if what was enqueued was
--          made by other options than these queues have now. A job that is to be cancelled is not delayed and does not wait again: it is cancelled.
-- Moves: active → completed, failed, cancelled, delayed, waiting; waiting → delayed; delayed → waiting;
--        blocked → waiting, delayed
-- include: head spec run count wake delay rules groups unique gates rate_holds place unstarted limits gone claim intake remove shelf ended verdict

local holder, most_completed, most_failed = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local held_set = base .. 'held:' .. holder
local completions = tonumber(ARGV[6])
local fences_at = 7 + 2 * completions
local fences = tonumber(ARGV[fences_at])
local others_at = fences_at + 1 + 2 * fences
local others = tonumber(ARGV[others_at])
local children_at = others_at + 1 + 5 * others

local reply, records, leaving, results, settled, left, reclaim = {}, {}, {}, {}, {}, {}, {}
local runs = completions > 0 and redis.call('HMGET', runs_key, unpack(ARGV, 7, 6 + completions)) or {}

-- The delivery that a record tells of, if the holder has it under this fence; else nil, and what is answered.
local function delivery_of(raw, fence)
  local delivery = read_delivery(raw)
  if delivery.fence ~= fence then return nil, '0' end
  if delivery.state ~= 'a' then return nil, '2' end
  if delivery.holder ~= holder then return nil, '0' end
  return delivery
end

-- Those that were handed over together have the same fence, and most of them the same record: these are read once.
local fence_words, fence, last_raw, last, answer
local leaves, counted = 0, 0

local function count_left()
  if last then left[last.queue] = (left[last.queue] or 0) + leaves - counted end
  counted = leaves
end

-- The spec of a job; if it is lost or damaged, that of a job of no type, in no queue.
local function spec_of(id)
  local spec = redis.call('HGET', jobs_key, id)
  return spec and spec_type(spec) ~= '' and spec or struct.pack('>BdBBBHIIBB', 1, 0, 0, 0, 10, 1, 0, 0, 0, 0)
end

-- The delivery of the job, if the holder still has it under this fence; else nil. Notes the answer.
local function held(i, id, raw)
  if not raw then
    reply[i] = redis.call('HEXISTS', jobs_key, id) == 0 and gone_at(id) > 0 and '2' or '0'
    return nil
  end
  if raw ~= last_raw then
    last_raw = raw
    -- what comes behind the front is of no matter here
    if not (last and string.find(raw, last.front, 1, true) == 1) then
      count_left()
      last, answer = delivery_of(raw, fence)
    end
  end
  if not last or settled[id] then
    reply[i] = last and '2' or answer
    return nil
  end
  leaves = leaves + 1
  reply[i], settled[id], leaving[leaves] = '1', true, id
  return last
end

-- Those that come next have this fence.
local function under(words)
  if words == fence_words then return end
  count_left()
  fence_words, fence, last_raw, last = words, tonumber(words), nil, nil
end

local size = 0

local function keep(id, record)
  records[size + 1], records[size + 2] = id, record
  size = size + 2
end

local with_result, i = 0, 0
for its_fence = fences_at + 1, others_at - 1, 2 do
  under(ARGV[its_fence])
  for _ = 1, tonumber(ARGV[its_fence + 1]) do
    i = i + 1
    local id, raw = ARGV[6 + i], runs[i]
    local delivery = held(i, id, raw)
    if delivery then
      local result = ARGV[6 + completions + i]
      if result ~= '' then
        results[with_result + 1], results[with_result + 2] = id, result
        with_result = with_result + 2
      end
      if delivery.kept_itself then
        finish(id, delivery.queue, 'c', most_completed, spec_of(id))
      else
        delivery.ending = delivery.ending or ending_of(delivery.queue, 'c', most_completed)
        finish_there(id, delivery.ending)
      end
      if raw == delivery.front then
        keep(id, delivery.completed or completed_run(delivery, raw, '', #raw + 1))
      else
        local holds, behind = read_holds(delivery, raw)
        keep(id, completed_run(delivery, raw, let_go(holds, id, 'c'), behind))
      end
    end
  end
end

-- As if it had not been delivered: a job that waits may still expire, or be replaced, and no rate counts it.
local function undo_delivery(id, run)
  local spec = spec_of(id)
  run.deliveries = math.max(run.deliveries - 1, 0)
  count_no_start(spec, id, run.deliveries)
  if run.deliveries > 0 or run.state ~= 'w' then return end
  run.started, run.holds = 0, ''
  local _, _, _, unique = spec_place(spec)
  if unique ~= '' then reclaim[#reclaim + 1] = { unique, id, spec, run } end
end

local other_ids = {}
for j = 1, others do other_ids[j] = ARGV[others_at - 4 + 5 * j] end
local other_runs = others > 0 and redis.call('HMGET', runs_key, unpack(other_ids))
for j = 1, others do
  local at, id, raw = others_at - 4 + 5 * j, other_ids[j], other_runs[j]
  local words, due, facts = ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  under(ARGV[at + 1])
  local delivery = held(completions + j, id, raw)
  if delivery then
    local verdict, queue = read_verdict(words), delivery.queue
    local run, record
    if verdict.begun and not verdict.holds_rate then
      local here = judged(delivery, verdict, words, due)
      local holds, behind = read_holds(delivery, raw)
      run = here.run
      record = whole_run(here.front, let_go(holds, id, run.state),
        remembered(string.sub(raw, behind), here.attempt, facts))
    else
      run = read_run(raw)
      if verdict.begun then run.history = remembered(run.history, attempt_words(run, now), facts) end
      judge(run, verdict, due_of(due), verdict.holds_rate and spec_of(id))
      run.holds = let_go(run.holds, id, run.state)
      if not verdict.begun then undo_delivery(id, run) end
      record = write_run(run)
    end
    local state = run.state
    if state == 'd' then
      count('d', queue, 1)
      if has(run, KEYED_RUN) then
        local _, _, key = spec_place(spec_of(id))
        count_group(queue, key, 1)
      end
      delay(id, run.due)
    elseif state == 'w' then
      local _, priority, key = spec_place(spec_of(id))
      count('w', queue, 1)
      count_group(queue, key, 1)
      place(line_of(queue, has(run, SUSPECT)), priority, id, true, key)
    else
      finish(id, queue, state, most_failed, delivery.kept_itself and spec_of(id))
    end
    keep(id, record)
  end
end
count_left()
outnumber()
-- what a handler enqueued comes when its job has ended
let_keys_go()
for _, its in ipairs(reclaim) do claim_again(unpack(its)) end
for queue, number in pairs(left) do count('a', queue, -number) end
take_in(children_at, reply)
local changed = changed_queues(children_at)
if changed then return changed end
reopen_freed(left)
touch(held_set)

write_intake()
if #records > 0 then
  redis.call('ZREM', held_set, unpack(leaving))
  redis.call('HSET', runs_key, unpack(records))
end
if #results > 0 then redis.call('HSET', results_key, unpack(results)) end
write_ended()
write_freed()
write_rate_holds()
write_keys()
write_delays()
write_places()
write_amended()
write_opened()
write_counts()
write_groups()
write_wakes()
write_tellings()
return table.concat(reply)
