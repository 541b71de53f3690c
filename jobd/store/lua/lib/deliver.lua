-- Delivering: a job passes into the hands of a holder, under a fence, until a deadline.
local function held_key(member)
  return base .. 'held:' .. member
end

-- The record of a run that begins now.
local function delivered(run, holder)
  run.state, run.holder, run.started = 'a', holder, now
  run.fence = math.max(run.fence + 1, now_us)
  run.attempt = run.attempt + 1
  run.deliveries = math.min(run.deliveries + 1, 65535)
  run.flags = bit.band(run.flags, bit.bnot(CANCEL_ASKED))
  return write_run(run)
end

-- Writes. `runs` has the run record of each job, or the queue of one that was never delivered: all such records of a
-- queue are the same. Returns the ids and their new run records, in turn. A job without a time limit has no deadline
-- ('+inf').
local function deliver(ids, specs, runs, holder, margin)
  local records, held, first = {}, {}, {}
  for i = 1, #ids do
    local run, timeout, record = runs[i], spec_timeout(specs[i]), nil
    local queue = type(run) == 'string' and run or run.queue
    count('w', queue, -1)
    count('a', queue, 1)
    if run == queue then
      record = first[queue] or delivered(new_run('w', queue), holder)
      first[queue] = record
    else
      record = delivered(run, holder)
    end
    records[2 * i - 1], records[2 * i] = ids[i], record
    held[2 * i - 1], held[2 * i] = timeout > 0 and (now + timeout + margin) or '+inf', ids[i]
  end
  redis.call('HSET', runs_key, unpack(records))
  redis.call('ZADD', held_key(holder), unpack(held))
  return records
end

-- Lanes of types that a worker does not know: their jobs stand aside there, for workers that do.
local parked, park_order = {}, {}

-- Reads: `id` is to stand aside.
local function park(line, priority, type, id)
  local lane = priority .. ':@' .. type
  local key = lane_key(line, lane)
  local here = parked[key]
  if not here then
    here = { line = line, lane = lane, key = key, priority = priority, ids = {} }
    here.empty = redis.call('LLEN', key) == 0
    parked[key] = here
    park_order[#park_order + 1] = here
    choose_idle(line, key, function(member)
      return is_among(type, redis.call('HGET', member_key(member), 'types') or '')
    end)
  end
  here.ids[#here.ids + 1] = id
end

local function reindex(line)
  local first = redis.call('ZRANGE', lanes_key(line), 0, 0, 'WITHSCORES')
  if first[1] then
    redis.call('ZADD', ready_of(line), first[2], line)
  else
    redis.call('ZREM', ready_of(line), line)
  end
end

-- Takes from a lane what was looked at, and keeps the indexes of lanes and lines true.
local function leave_lane(visit)
  if visit.used > 0 then redis.call('LTRIM', visit.list, visit.used, -1) end
  if visit.used >= visit.length then
    redis.call('ZREM', lanes_key(visit.line), visit.lane)
  elseif visit.used > 0 then
    redis.call('ZADD', lanes_key(visit.line), rank(visit.priority), visit.lane)
  else
    return
  end
  reindex(visit.line)
end

local function write_parked()
  for _, here in ipairs(park_order) do
    redis.call('RPUSH', here.key, unpack(here.ids))
    if here.empty then
      redis.call('ZADD', lanes_key(here.line), rank(here.priority), here.lane)
      reindex(here.line)
    end
  end
end
