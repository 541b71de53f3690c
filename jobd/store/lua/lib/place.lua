-- Lanes: a waiting job stands in one lane, named by its priority and its lane key ('' for most), as 'priority:key'. The
-- jobs of an ordering key stand in one lane whatever else they have, '*:o=key', where the first one counts. The lanes
-- of a line (a queue, or '!' and a queue for suspects) that may be served are indexed, and so are the lines that have any.
-- An id that stays in a lane after its job has left it is skipped by fetch: the record decides.
local place_order = {}
local places, opened, opened_order = {}, {}, {}
local STRICT = 1e13

local function lanes_key(line)
  return base .. 'lanes:' .. line
end

local function shut_key(line)
  return base .. 'shut:' .. line
end

local function lane_key(line, lane)
  return base .. 'lane:' .. line .. ':' .. lane
end

local function lane_of(priority, key)
  local turn = string.find(key, 'o=', 1, true) and string.match(key, 'o=[^;]*')
  return turn and '*:' .. turn or priority .. ':' .. key
end

local function ready_of(line)
  return string.sub(line, 1, 1) == '!' and ready_solo_key or ready_key
end

local function line_of(queue, suspect)
  return suspect and ('!' .. queue) or queue
end

-- The order of service: by priority, and among equals by the time since a lane was last served or filled.
local function rank(priority)
  return priority * STRICT + now_us / 1000
end

local function queue_gate_name(line)
  return 'q/' .. plain(queue_of(line))
end

-- Does this line wait before the gate of its queue?
local function is_gated(line)
  if not (is_any_paused() or queue_rule(queue_of(line))) then return false end
  return redis.call('ZSCORE', gated_key(queue_gate_name(line)), line .. ' ')
end

-- The priority by which a lane is served: the one in its name, or that of its first job.
local function lane_priority(line, lane)
  local priority = tonumber(string.match(lane, '^%d+'))
  if priority then return priority end
  local first = redis.call('LINDEX', lane_key(line, lane), 0)
  local spec = first and redis.call('HGET', jobs_key, first)
  if not spec then return 1 end
  local _, its_priority = spec_place(spec)
  return its_priority
end

-- Gates of groups before which something waits are listed for each queue: a rule of the queue may be theirs.
local function groups_of(name)
  local queue = string.match(name, '^g/([^/]*)/')
  return queue and 'groups/' .. queue
end

-- Reads a gate that something will wait before, or wait no more.
local function touch_gate(name)
  touch(gated_key(name))
  touch(gated_gates_key)
  if groups_of(name) then touch(gated_key(groups_of(name))) end
end

-- Reads: lets a lane, or a line, that waits before a gate be served again. True if it can be, false if its line waits too.
local function let_in(name, word, line, lane)
  local here = { gate = name, word = word, line = line, lane = lane }
  opened_order[#opened_order + 1] = here
  if lane == '' then
    redis.call('ZRANGE', lanes_key(line), 0, 0)
  else
    -- it has waited there as well
    local since = tonumber(redis.call('ZSCORE', gated_key(name), word) or now)
    here.rank = lane_priority(line, lane) * STRICT + math.min(since, now)
    redis.call('ZSCORE', lanes_key(line), lane)
    touch(shut_key(line))
    if is_gated(line) then return false end
  end
  choose_idle(line)
  return true
end

-- Reads: lets lanes that wait before a gate be served again, those that have waited longest first: `most` of each line
-- and type, as those of another one may have no worker that would take them. The place that is free is not lost to lanes
-- whose line waits before the gate of its queue; `first` is one that comes before them. True if more of them have to be looked at. Those who come first may be
-- of lines that nobody serves: if more wait, and the place is still free in a moment, promote.lua looks further.
local LOOKED, MOMENT = 100, 250

local function reopen(name, most, first)
  if opened[name] or most < 1 then return false end
  touch_gate(name)
  local waiting, let, any = redis.call('ZRANGE', gated_key(name), 0, LOOKED - 1), {}, false
  if first and redis.call('ZSCORE', gated_key(name), first) then let_in(name, first, string.match(first, '^(%S+) (.*)$')) end
  for _, word in ipairs(waiting) do
    opened[name] = true
    local line, lane = string.match(word, '^(%S+) (.*)$')
    local class = line .. (string.match(lane, 't=[^;]*$') or '')
    if (let[class] or 0) < most and let_in(name, word, line, lane) then
      let[class] = (let[class] or 0) + 1
      any = true
    end
  end
  if #waiting < LOOKED then return false end
  if any and not redis.call('ZSCORE', opens_key, 'more/' .. name) then open_at('more/' .. name, now + MOMENT) end
  return not any
end

-- Writes: a lane, or a line, waits before a gate; `since` is when it was last served, if that was before now.
local function write_gated(name, line, lane, since)
  redis.call('ZADD', gated_key(name), 'NX', since or now, line .. ' ' .. lane)
  redis.call('SADD', gated_gates_key, name)
  if lane ~= '' then redis.call('ZADD', shut_key(line), 0, lane) end
  local groups = groups_of(name)
  if groups then redis.call('ZADD', gated_key(groups), 'NX', now, name) end
end

-- Writes: nothing waits before this gate any more?
local function write_ungated(name)
  if redis.call('EXISTS', gated_key(name)) == 1 then return end
  redis.call('SREM', gated_gates_key, name)
  local groups = groups_of(name)
  if groups then redis.call('ZREM', gated_key(groups), name) end
end

-- Writes: the first lane of a line decides when it is served.
local function reindex(line)
  local first = redis.call('ZRANGE', lanes_key(line), 0, 0, 'WITHSCORES')
  if first[1] and not is_gated(line) then
    redis.call('ZADD', ready_of(line), first[2], line)
  else
    redis.call('ZREM', ready_of(line), line)
  end
end

local function write_opened()
  for _, here in ipairs(opened_order) do
    redis.call('ZREM', gated_key(here.gate), here.word)
    write_ungated(here.gate)
    if here.lane ~= '' then
      redis.call('ZREM', shut_key(here.line), here.lane)
      redis.call('ZADD', lanes_key(here.line), here.rank, here.lane)
    end
    reindex(here.line)
  end
end

-- Reads: what was let go of makes room for what waits.
local function reopen_freed(queues)
  read_freed()
  for _, here in ipairs(freed_order) do
    if here.waited_for and reopen(here.name, math.max(here.count, here.cost)) then open_at(here.name, now) end
  end
  for queue in pairs(queues) do
    local rule = queue_rule(queue)
    if rule and rule.concurrency then reopen('q/' .. plain(queue), 2) end
  end
end

-- Reads: the first job of an ordering key's lane changes, by whose gates the lane is stopped: what stopped that one says
-- nothing of the next.
local function pass_on(line, lane)
  local first = redis.call('LINDEX', lane_key(line, lane), 0)
  local spec = first and redis.call('HGET', jobs_key, first)
  if not spec then return end
  for _, name in ipairs(gate_names(spec)) do
    if redis.call('ZSCORE', gated_key(name), line .. ' ' .. lane) then
      touch_gate(name)
      let_in(name, line .. ' ' .. lane, line, lane)
    end
  end
end

-- Reads: this job waits no more, or no more by these gates.
local function leave_lane(id, spec, run)
  local queue, priority, key = spec_place(spec)
  local line, lane = line_of(queue, has(run, SUSPECT)), lane_of(priority, key)
  if string.sub(lane, 1, 1) ~= '*' then return end
  for _, its_lane in ipairs({ lane, lane .. ';t=' .. spec_type(spec) }) do
    if redis.call('LINDEX', lane_key(line, its_lane), 0) == id then pass_on(line, its_lane) end
  end
end

-- Reads: a lane in which jobs are to stand.
local function place_of(line, priority, lane_words)
  local lane = lane_of(priority, lane_words)
  local key = lane_key(line, lane)
  local here = places[key]
  if not here then
    here = {
      line = line, lane = lane, key = key, back = {}, front = {}, gated = is_gated(line), rank = rank(priority),
    }
    touch(key)
    touch(lanes_key(line))
    places[key] = here
    place_order[#place_order + 1] = here
    choose_idle(line)
  end
  return here
end

-- Does this job wait in this lane?
local function waits_in(here, id)
  local spec, raw = redis.call('HGET', jobs_key, id), redis.call('HGET', runs_key, id)
  local run = raw and read_run(raw)
  if not spec or (run and run.state ~= 'w') then return false end
  local queue, priority, key = spec_place(spec)
  return line_of(queue, run and has(run, SUSPECT)) == here.line and lane_of(priority, key) == here.lane
end

-- Reads: a job comes to the front of an ordering key's lane. Whoever has the turn stands before all others there.
local function come_first(here, id)
  if here.owner == nil then
    local turn = string.match(here.lane, 'o=([^;]*)')
    here.owner = redis.call('HGET', holds_key, 'o/' .. plain(queue_of(here.line)) .. '/' .. turn)
    if redis.call('LLEN', here.key) > 0 then
      pass_on(here.line, here.lane)
      if here.owner and waits_in(here, here.owner) then here.first = here.owner end
    end
  end
  if here.owner == id then here.first = id end
end

-- Reads: `id` is to stand in its lane, at the end or at the front.
local function place(line, priority, id, front, lane_words)
  local here = place_of(line, priority, lane_words)
  if front and string.sub(here.lane, 1, 1) == '*' then come_first(here, id) end
  local ids = front and here.front or here.back
  if id ~= here.first then ids[#ids + 1] = id end
end

local function write_places()
  local ranked = {}
  for _, here in ipairs(place_order) do
    local reversed, n = {}, #here.front
    for i = 1, n do reversed[i] = here.front[n + 1 - i] end
    reversed[n + 1] = here.first
    local length = write_many('RPUSH', here.key, here.back)
    length = write_many('LPUSH', here.key, reversed) or length
    -- a lane that was empty is in no index
    if length == #here.back + #reversed then
      local its = ranked[here.line]
      if not its then
        its = { gated = here.gated, first = here.rank }
        ranked[here.line] = its
      end
      its.first = math.min(its.first, here.rank)
      its[#its + 1], its[#its + 2] = here.rank, here.lane
    end
  end
  for line, its in pairs(ranked) do
    write_many('ZADD', lanes_key(line), its)
    if not its.gated then redis.call('ZADD', ready_of(line), 'LT', its.first, line) end
  end
end
