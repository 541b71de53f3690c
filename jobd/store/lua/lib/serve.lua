-- Serving a line: its lanes of one priority share what a worker asks for, by their weights, as far as their gates let
-- jobs through.
local CHUNK, AT_ONCE, MANY = 100, 1000, 16

-- How many of this lane may be read next, of so many; their ids are read.
local function share(visit, most)
  local gates_here = visit.gates
  most = math.min(most, CHUNK)
  if #gates_here > 0 then
    if visit.is_ordered then most = 1 end
    local room, closed = room_of(gates_here, visit.first, visit.weight_of_first, visit)
    if room == 0 then visit.closed = closed end
    if room < most then most = room end
  end
  read_ids(visit, most)
  return math.min(most, visit.length - visit.used)
end

-- `run` is nil of a job that was never delivered.
local function take(id, spec, run, head, holds)
  local n = #taken.ids + 1
  taken.ids[n], taken.specs[n], taken.heads[n], taken.holds[n] = id, spec, head, holds
  if run then taken.runs[n] = run.raw end
  taken.seen[id] = true
  bytes = bytes + #spec
end

-- Notes that this job has left for a worker. Returns what it takes up, its unique key included.
local function holds_with(holds, unique, wish, id)
  if coming_into(wish, 'a').leaves then leave_key(unique, id, 'a') end
  return with_unique(holds, unique)
end

-- Looks at one job that stands in a lane: takes it, lets it stand aside, or passes it over if it has left.
local function look(visit, id, spec, run, weight)
  local head, key, unique = standing(visit, spec, run)
  if not head or taken.seen[id] then return end
  -- a record of another version is for workers that know that
  local version = string.byte(spec)
  local its_type = version == 1 and head.type or '@' .. version
  if not goes_on(visit, its_type) then
    taken.seen[id] = true
    bytes = bytes + #spec
    stand_aside(visit.line.name, head.priority, key, its_type, id, visit.gates)
    if knows(its_type) then left_over = visit.line.name end
    return
  end
  count_group(head.queue, key, -1)
  local holds = pass(visit.gates, id, run and run.deliveries or 0, weight, visit)
  if unique ~= '' then
    holds = with_unique(holds, unique)
    leave_key(unique, id, 'a')
  end
  take(id, spec, run, head, holds)
end

-- What a job that is next in its lane counts against rates; what has left the lane counts no more than any.
local function weight_at(visit, spec, run)
  local weight = spec and #visit.gates > 0 and spec_weight(spec) or 1
  return weight > 1 and standing(visit, spec, run) and weight or 1
end

-- Looks at the next job of a lane, unless the gates have no room for it: it is the first of the lane then. `head`, `unique`
-- and `wish` are what kind_of found.
local function look_at_next(visit, id, spec, run, head, unique, wish)
  local weight = head and 1 or weight_at(visit, spec, run)
  if #visit.gates > 0 and room_of(visit.gates, id, weight, visit) == 0 then
    visit.halted, visit.weight_of_first = true, weight
    if weight > 1 then visit.its_type = spec_type(spec) end
    return
  end
  if not head then
    look(visit, id, spec, run, weight)
  elseif not taken.seen[id] then
    local holds = pass(visit.gates, id, 0, 1, visit)
    if unique then holds = holds_with(holds, unique, wish, id) end
    take(id, spec, nil, head, holds)
    visit.taken = visit.taken + 1
  end
  visit.used = visit.used + 1
  looks = looks + 1
  -- of an order no more than one is looked at
  if visit.first then visit.first = nil end
  if visit.weight_of_first then visit.weight_of_first = nil end
end

-- Does a job with this record wait for its next attempt, in the line of those that are no suspects?
local function is_next_attempt(raw)
  local run = read_delivery(raw)
  return run.state == 'w' and not run.is_suspect
end

-- Serves these lanes of a line, which have this priority.
local function serve(name, lanes, priority)
  local line, open, stride = line_at(name), {}, 1
  local read = {}
  -- a few lanes have many jobs each
  if #lanes >= MANY and not (line.is_solo or line.gate or is_any_paused() or any_rules) then
    lanes = serve_singles(line, lanes, priority)
    read = lanes.ids
  end
  for i, lane in ipairs(lanes) do open[i] = visit_of(line, lane, priority, read[i]) end
  prepare(open)
  local find, byte = string.find, string.byte
  local new_ids, new_specs, new_heads, new_holds, seen = taken.ids, taken.specs, taken.heads, taken.holds, taken.seen
  local new_runs = taken.runs
  while #open > 0 and not enough() do
    local weights, ids, owners, number, before, any_ordered = 0, {}, {}, 0, #new_ids, false
    for _, visit in ipairs(open) do
      weights = weights + visit.weight
      any_ordered = any_ordered or visit.is_ordered
    end
    -- of the first jobs of orders all is known
    local unread = any_ordered and {} or ids
    local wanted = taken.wanted
    local missing = wanted - before
    local per_weight = math.max(1, math.floor(missing / weights)) * stride
    local most = stride == 1 and missing or AT_ONCE
    for _, visit in ipairs(open) do
      if number == most then break end
      local its = share(visit, math.min(per_weight * visit.weight, most - number))
      local from = visit.used - visit.from
      local its_ids = visit.ids
      for i = 1, its do ids[number + i], owners[number + i] = its_ids[from + i], visit end
      if any_ordered and not visit.is_ordered then
        for i = 1, its do unread[#unread + 1] = its_ids[from + i] end
      end
      number = number + its
    end
    if number == 0 then break end
    local specs, runs, at, taken_here = {}, {}, 0, before
    if #unread > 0 then
      specs = redis.call('HMGET', jobs_key, unpack(unread))
      runs = redis.call('HMGET', runs_key, unpack(unread))
    end
    for i = 1, number do
      if taken_here >= wanted then break end
      local visit, id, spec, run = owners[i], ids[i], nil, nil
      if any_ordered and visit.is_ordered then
        spec, run = visit.spec, visit.run
      else
        at = at + 1
        spec, run = specs[at], runs[at]
      end
      local head, unique, wish = nil, nil, nil
      if spec and (not run or visit.is_free and is_next_attempt(run)) then
        local kind = visit.last
        if kind and not kind.wish and byte(spec) == 1 and #spec >= kind.least and find(spec, kind.text, 10, true) == 10 then
          head = kind.head
        else
          head, unique, wish = kind_of(visit, spec)
        end
      end
      if head and visit.is_free then
        if not seen[id] then
          taken_here = taken_here + 1
          new_ids[taken_here], new_specs[taken_here], new_heads[taken_here] = id, spec, head
          seen[id] = true
          bytes = bytes + #spec
          visit.taken = visit.taken + 1
          if unique then new_holds[taken_here] = holds_with('', unique, wish, id) end
          if run then new_runs[taken_here] = run end
        end
        visit.used = visit.used + 1
        looks = looks + 1
      -- what was read beyond the room of a gate stays where it is
      elseif not visit.halted then
        if run and not visit.is_ordered then run = read_run(run) end
        look_at_next(visit, id, spec, run or nil, head, unique, wish)
        taken_here = #new_ids
      end
    end
    local still = {}
    for _, visit in ipairs(open) do
      if visit.halted then visit.halted = nil end
      if not (visit.closed or visit.is_whole and visit.used == visit.length) then still[#still + 1] = visit end
    end
    prepare(still)
    open = still
    -- where many have left their lanes, look further at once
    stride = #new_ids == before and 2 * stride or 1
  end
end
