-- Delivering: a job passes into the hands of a holder, under a fence, until a deadline.
-- The record of a run that begins now.
local function delivered(run, holder, holds, spec)
  run.state, run.holder, run.started = 'a', holder, now
  run.fence = math.max(run.fence + 1, now_us)
  run.attempt = run.attempt + 1
  run.deliveries = math.min(run.deliveries + 1, 65535)
  run.flags = bit.band(run.flags, bit.bnot(CANCEL_ASKED))
  run.holds = holds
  local marks = string.byte(spec, 10)
  if bit.band(marks, KEPT) ~= 0 then run.flags = bit.bor(run.flags, KEPT_ITSELF) end
  if bit.band(marks, KEYED) ~= 0 then run.flags = bit.bor(run.flags, KEYED_RUN) end
  return write_run(run)
end

-- Writes. `taken` has of each job its id, its spec with what that has in common with its kind, what it takes up, and its
-- run record, or the queue if it was never delivered: all such records of a queue that take up nothing are the same. Returns the ids and their new run records, in turn. A job without a time
-- limit has no deadline ('+inf').
local function deliver(taken, holder, margin)
  local ids, specs, runs, heads, holds = taken.ids, taken.specs, taken.runs, taken.heads, taken.holds
  local records, held, counted, first_plain, first_keyed = {}, {}, {}, {}, {}
  local last_limit, score
  for i = 1, #ids do
    local run, head, record = runs[i], heads[i], nil
    local queue = head.queue
    counted[queue] = (counted[queue] or 0) + 1
    if run ~= queue then
      record = delivered(run, holder, holds[i], specs[i])
    elseif holds[i] == '' and not head.kept then
      local first = head.keyed and first_keyed or first_plain
      record = first[queue] or delivered(new_run('w', queue), holder, '', specs[i])
      first[queue] = record
    else
      record = delivered(new_run('w', queue), holder, holds[i], specs[i])
    end
    records[2 * i - 1], records[2 * i] = ids[i], record
    local limit = head.timeout > 0 and now + head.timeout or math.huge
    if head.limited and not (run ~= queue and has(run, BY_HAND)) then
      local _, deadline = spec_limits(specs[i])
      limit = math.min(limit, math.max(deadline, now))
    end
    if limit ~= last_limit then last_limit, score = limit, string.format('%.0f', limit + margin) end
    held[2 * i - 1], held[2 * i] = score, ids[i]
  end
  for queue, number in pairs(counted) do
    count('w', queue, -number)
    count('a', queue, number)
  end
  redis.call('HSET', runs_key, unpack(records))
  redis.call('ZADD', held_key(holder), unpack(held))
  return records
end
