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

-- Until when a delivery is its holder's, as a score.
local function until_when(head, spec, by_hand, margin)
  local limit = head.timeout > 0 and now + head.timeout or math.huge
  if head.limited and not by_hand then
    local _, deadline = spec_limits(spec)
    limit = math.min(limit, math.max(deadline, now))
  end
  return string.format('%.0f', limit + margin)
end

-- Writes what a holder has from now on: deadlines and ids. A list, as the server keeps few members, is looked through for
-- each that comes or goes; with one of more than 64 bytes it keeps a tree, for as long as there is any.
local function write_held_by(holder, members)
  local list, long = held_key(holder), string.rep('.', 65)
  local is_new = redis.call('EXISTS', list) == 0
  if is_new then redis.call('ZADD', list, 0, long) end
  redis.call('ZADD', list, unpack(members))
  if is_new then redis.call('ZREM', list, long) end
end

-- Writes. `taken` has of each job its id, its spec with what that has in common with its kind, what it takes up (nil:
-- nothing), and its run (nil: it was never delivered): all such records of a kind that take up nothing are the same, and
-- most jobs are of the kind of the one before. Returns their new run records, each with how many jobs in turn have it. A job without a time
-- limit has no deadline ('+inf').
local function deliver(taken, holder, margin)
  local ids, specs, runs, heads, holds = taken.ids, taken.specs, taken.runs, taken.heads, taken.holds
  local records, held, counted = {}, {}, {}
  local told, size, from, same, lengths = {}, 0, 1, nil, {}
  local last, last_record, last_front, last_score, number = nil, nil, nil, nil, 0
  for i = 1, #ids do
    local run, head, its_holds = runs[i], heads[i], holds[i] or ''
    if head ~= last then
      if last then counted[last.queue] = (counted[last.queue] or 0) + number end
      last, last_record, last_front, last_score, number = head, nil, nil, nil, 0
    end
    number = number + 1
    local record, score = last_record, last_score
    if run or not record then
      record = delivered(run or new_run('w', head.queue), holder, run and its_holds or '', specs[i])
      score = until_when(head, specs[i], run and has(run, BY_HAND), margin)
      if not (run or head.kept or head.limited) then last_record, last_score = record, score end
    end
    if not run and its_holds ~= '' then
      last_front = record == last_record and last_front or front_of(record, true)
      lengths[#its_holds] = lengths[#its_holds] or struct.pack('>H', #its_holds)
      record = last_front .. lengths[#its_holds] .. its_holds
    end
    if record ~= same then
      if size > 0 then told[size] = i - from end
      size, from, same = size + 2, i, record
      told[size - 1] = record
    end
    records[2 * i - 1], records[2 * i] = ids[i], record
    held[2 * i - 1], held[2 * i] = score, ids[i]
  end
  told[size] = #ids + 1 - from
  if last then counted[last.queue] = (counted[last.queue] or 0) + number end
  for queue, count_of_it in pairs(counted) do
    count('w', queue, -count_of_it)
    count('a', queue, count_of_it)
  end
  redis.call('HSET', runs_key, unpack(records))
  write_held_by(holder, held)
  return told
end
