-- Delivering: a job passes into the hands of a holder, under a fence, until a deadline.
local FEW = 16

-- The history in a record of this front.
local function history_of(delivery, raw)
  local at = #delivery.front + 1
  if delivery.takes_up and #raw > at then at = at + 2 + struct.unpack('>H', raw, at) end
  return string.sub(raw, at)
end

-- The front of the record of a run that begins now, of a job of the kind that `head` tells of.
local function begun(run, holder, head)
  run.state, run.holder, run.started = 'a', holder, now
  run.fence = math.max(run.fence + 1, now_us)
  run.attempt = run.attempt + 1
  run.deliveries = math.min(run.deliveries + 1, 65535)
  run.flags = bit.band(run.flags, bit.bnot(CANCEL_ASKED))
  if head.kept then run.flags = bit.bor(run.flags, KEPT_ITSELF) end
  if head.keyed then run.flags = bit.bor(run.flags, KEYED_RUN) end
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
-- each that comes or goes. For more than a FEW there is a tree: the server makes one for a member of more than 64 bytes,
-- and keeps it for as long as there is any.
local function write_held_by(holder, members)
  local list, long = held_key(holder), string.rep('.', 65)
  local before = redis.call('ZCARD', list)
  local grows_long = before <= FEW and before + #members / 2 > FEW
  if grows_long then redis.call('ZADD', list, 0, long) end
  redis.call('ZADD', list, unpack(members))
  if grows_long then redis.call('ZREM', list, long) end
end

-- Writes. `taken` has of each job its id, its spec with what that has in common with its kind, what it takes up (nil:
-- nothing), and its run record (nil: it was never delivered). Fronts of records are the same for all jobs of a kind whose
-- records were the same, and most jobs are of the kind of the one before. Returns these fronts, each with how many jobs
-- in turn have it. A job without a time limit has no deadline ('+inf').
local function deliver(taken, holder, margin)
  local ids, specs, runs, heads, holds = taken.ids, taken.specs, taken.runs, taken.heads, taken.holds
  local records, held, counted = {}, {}, {}
  local told, size, from, same = {}, 0, 1, nil
  local last, new_front, fronts_begun, last_score, number = nil, nil, nil, nil, 0
  for i = 1, #ids do
    local raw, head, its_holds = runs[i], heads[i], holds[i] or ''
    if head ~= last then
      if last then counted[last.queue] = (counted[last.queue] or 0) + number end
      last, new_front, fronts_begun, last_score, number = head, nil, {}, nil, 0
    end
    number = number + 1
    local front, record, score, by_hand = new_front, nil, last_score, false
    if raw then
      local before = read_delivery(raw)
      front, by_hand = fronts_begun[before.front], before.by_hand
      if not front then
        front = begun(read_run(before.front), holder, head)
        fronts_begun[before.front] = front
      end
      record = whole_run(front, its_holds, history_of(before, raw))
    elseif not front then
      front = begun(new_run('w', head.queue), holder, head)
      new_front = front
    end
    if not score then
      score = until_when(head, specs[i], by_hand, margin)
      if not head.limited then last_score = score end
    end
    if front ~= same then
      if size > 0 then told[size] = i - from end
      size, from, same = size + 2, i, front
      told[size - 1] = front
    end
    records[2 * i - 1], records[2 * i] = ids[i], record or its_holds == '' and front or whole_run(front, its_holds, '')
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
