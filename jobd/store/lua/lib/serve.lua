-- Serving a line: its lanes of one priority share what a worker asks for, by their weights, as far as their gates let
-- jobs through. The fetch says how many are `wanted`, and which types its worker `knows`, and finds in `taken` what it is to deliver.
local MOST_LOOKS, MOST_BYTES, CHUNK = 1000, 4194304, 100
local LATE = 10000  -- room is kept for so long (ms), or until the job for which it is has been looked at again
local wanted, knows
local looks, bytes, left_over = 0, 0, nil
local taken
local visits, free_types = {}, {}

local function enough()
  return #taken.ids >= wanted or looks >= wanted + MOST_LOOKS or bytes >= MOST_BYTES
end

local function find_gates(visit, key)
  local queue = queue_of(visit.line)
  visit.gates, visit.weight = gates_of(queue, key)
  local its_queue = queue_gate(queue)
  if its_queue then visit.gates[#visit.gates + 1] = its_queue end
  visit.is_free = #visit.gates == 0
end

-- Is this the lane of a job with this key?
local function belongs(visit, head, key)
  if visit.is_ordered then return string.match(key, 'o=[^;]*') == visit.home end
  return key == visit.home and head.priority == visit.priority
end

-- Does this job stand in this lane, waiting? What has left it is passed over.
local function stands(visit, spec, run)
  if not spec or (run and run.state ~= 'w') then return false end
  local head = spec_head(spec)
  if line_of(head.queue, run and has(run, SUSPECT)) ~= visit.line then return false end
  return belongs(visit, head, head.keyed and spec_keys(spec) or '')
end

-- Does a job of this type go on, or does it stand aside?
local function goes_on(visit, its_type)
  if visit.type == its_type then return knows(its_type) end
  if free_types[its_type] == nil then
    free_types[its_type] = knows(its_type) and not rule_of('t/' .. plain(its_type))
  end
  return free_types[its_type]
end

-- Looks for the first job of an ordering key, whose gates are those of the lane.
local function find_head(visit)
  while visit.used < visit.length and looks < wanted + MOST_LOOKS do
    local id = redis.call('LINDEX', visit.list, visit.used)
    local spec, run = redis.call('HGET', jobs_key, id), redis.call('HGET', runs_key, id)
    if stands(visit, spec, run and read_run(run)) then
      local key, _, urgency = (spec_keys(spec)), spec_place(spec)
      visit.first, visit.weight_of_first, visit.urgency = id, spec_weight(spec), urgency
      visit.its_type = spec_type(spec)
      find_gates(visit, visit.type and key .. ';t=' .. visit.type or key)
      return
    end
    visit.used = visit.used + 1
    looks = looks + 1
  end
end

local function visit_of(line, lane)
  local priority, key = string.match(lane, '^([^:]*):(.*)$')
  local list = lane_key(line, lane)
  priority = tonumber(priority)
  local visit = {
    line = line, lane = lane, word = line .. ' ' .. lane, list = list, priority = priority, key = key, used = 0, kinds = {},
    home = key, type = lane_type(key), length = redis.call('LLEN', list),
    is_ordered = not priority, urgency = priority or 1, gates = {}, is_free = true, weight = 1,
    -- named here, for a table that has no room left for more names is made anew
    first = false, weight_of_first = false, its_type = false, last = false, halted = false, closed = false,
  }
  if visit.type then visit.home = string.gsub(key, ';?t=[^;]*$', '') end
  if visit.is_ordered then
    find_head(visit)
  else
    find_gates(visit, key)
  end
  visits[#visits + 1] = visit
  return visit
end

-- How many of this lane may be read next, in a round in which each lane has so much per weight.
local function share(visit, per_weight)
  if visit.used >= visit.length then return 0 end
  local most = math.min(per_weight * visit.weight, visit.length - visit.used, CHUNK)
  if #visit.gates == 0 then return most end
  if visit.is_ordered then most = 1 end
  local room, closed = room_of(visit.gates, visit.first, visit.weight_of_first, visit)
  if room == 0 then visit.closed = closed end
  return math.min(most, room)
end

-- `run` is nil of a job that was never delivered.
local function take(id, spec, run, head, holds)
  local n = #taken.ids + 1
  taken.ids[n], taken.specs[n], taken.heads[n], taken.holds[n] = id, spec, head, holds
  if run then taken.runs[n] = run end
  taken.seen[id] = true
  bytes = bytes + #spec
end

-- What makes this job unique, if it is of the kind, whose jobs differ in their keys alone; else nil.
local function unique_of(kind, spec)
  if string.find(spec, kind.wish.words, kind.wish_at, true) ~= kind.wish_at then return nil end
  return string.sub(spec, kind.unique_at, kind.wish_at + #kind.wish.words - 1)
end

-- What a job that was never delivered has in common with its kind, if that is all there is to know of it: it stands in
-- this lane, goes on and counts as one. Whether that is so is asked once a kind, and whether a job is of the same kind as
-- the last one is seen without a string of its own, unless it has a unique key: what makes it unique comes too.
local function kind_of(visit, spec)
  if string.byte(spec) ~= 1 then return nil end
  local last = visit.last
  if last and #spec >= last.least and string.find(spec, last.text, 10, true) == 10 then
    local unique = last.wish and unique_of(last, spec)
    if unique or not last.wish then return last, unique end
  end
  local head = spec_head(spec)
  local text, key, unique, weight = head.text, '', '', ''
  if head.keyed then
    key, unique, weight = spec_keys(spec)
    if weight ~= '' then return nil end
    text = text .. struct.pack('>H', #key + (unique ~= '' and 1 + #unique or 0)) .. key .. (unique ~= '' and ' ' or '')
  end
  local name, wish = text, nil
  if unique ~= '' then
    wish = wish_of(unique)
    name = text .. wish.words
  end
  local kind = visit.kinds[name]
  if kind == nil then
    kind = head.queue == visit.line and belongs(visit, head, key) and goes_on(visit, head.type)
      and { head = head, queue = head.queue, key = key, text = text, taken = 0, wish = wish,
        unique_at = 10 + #text, wish_at = wish and 10 + #text + #unique - #wish.words,
        -- one that is cut off before its limits of time is not of this kind
        least = 9 + #text + #unique + (head.limited and 32 or 0) }
    visit.kinds[name] = kind
  end
  visit.last = kind or visit.last
  return kind, unique ~= '' and unique or nil
end

-- Notes that this job has left for a worker. Returns what it takes up, its unique key included.
local function holds_with(holds, unique, wish, id)
  if coming_into(wish, 'a').leaves then leave_key(unique, id, 'a') end
  return with_unique(holds, unique)
end

-- Looks at one job that stands in a lane: takes it, lets it stand aside, or passes it over if it has left.
local function look(visit, id, spec, run, weight)
  if taken.seen[id] or not stands(visit, spec, run) then return end
  local head = spec_head(spec)
  local key, unique = '', ''
  if head.keyed then key, unique = spec_keys(spec) end
  -- a record of another version is for workers that know that
  local version = string.byte(spec)
  local its_type = version == 1 and head.type or '@' .. version
  if not goes_on(visit, its_type) then
    taken.seen[id] = true
    bytes = bytes + #spec
    stand_aside(visit.line, head.priority, key, its_type, id, visit.gates)
    if knows(its_type) then left_over = visit.line end
    return
  end
  count_group(head.queue, key, -1)
  local holds = pass(visit.gates, id, run and run.deliveries or 0, weight, visit.word)
  if unique ~= '' then
    holds = with_unique(holds, unique)
    leave_key(unique, id, 'a')
  end
  take(id, spec, run, head, holds)
end

-- What a job that is next in its lane counts against rates; what has left the lane counts no more than any.
local function weight_at(visit, spec, run)
  local weight = spec and #visit.gates > 0 and spec_weight(spec) or 1
  return weight > 1 and stands(visit, spec, run) and weight or 1
end

-- Serves these lanes of a line, which have the same priority.
local function serve(line, lanes)
  local open, stride = {}, 1
  for _, lane in ipairs(lanes) do open[#open + 1] = visit_of(line, lane) end
  local all = {}
  for _, visit in ipairs(open) do
    for _, here in ipairs(visit.gates) do all[#all + 1] = here end
  end
  read_held(all)
  local find, byte = string.find, string.byte
  local new_ids, new_specs, new_heads, new_holds, seen = taken.ids, taken.specs, taken.heads, taken.holds, taken.seen
  while #open > 0 and not enough() do
    local weights, ids, owners, number, before = 0, {}, {}, 0, #new_ids
    for _, visit in ipairs(open) do weights = weights + visit.weight end
    local missing = wanted - before
    local per_weight = math.max(1, math.floor(missing / weights)) * stride
    local still = {}
    for _, visit in ipairs(open) do
      local most = (number < missing or stride > 1) and share(visit, per_weight) or 0
      if stride == 1 then most = math.min(most, missing - number) end
      if most > 0 then
        local some = redis.call('LRANGE', visit.list, visit.used, visit.used + most - 1)
        for i = 1, #some do ids[number + i], owners[number + i] = some[i], visit end
        number = number + #some
      end
    end
    if number == 0 then break end
    local taken_here = before
    for from = 1, number, 1000 do
      local to = math.min(from + 999, number)
      local specs = redis.call('HMGET', jobs_key, unpack(ids, from, to))
      local runs = redis.call('HMGET', runs_key, unpack(ids, from, to))
      for i = from, to do
        local visit, id, spec, raw = owners[i], ids[i], specs[i - from + 1], runs[i - from + 1]
        if taken_here >= wanted then break end
        local kind, unique
        if spec and not raw then
          kind = visit.last
          if not kind or kind.wish or byte(spec) ~= 1 or #spec < kind.least or find(spec, kind.text, 10, true) ~= 10 then
            kind, unique = kind_of(visit, spec)
          end
        end
        if kind and visit.is_free then
          if not seen[id] then
            taken_here = taken_here + 1
            new_ids[taken_here], new_specs[taken_here], new_heads[taken_here] = id, spec, kind.head
            seen[id] = true
            bytes = bytes + #spec
            kind.taken = kind.taken + 1
            if unique then new_holds[taken_here] = holds_with('', unique, kind.wish, id) end
          end
          visit.used = visit.used + 1
          looks = looks + 1
        -- what was read beyond the room of a gate stays where it is
        elseif not visit.halted then
          local run = raw and read_run(raw) or nil
          local weight = kind and 1 or weight_at(visit, spec, run)
          if #visit.gates > 0 and room_of(visit.gates, id, weight, visit) == 0 then
            visit.halted, visit.weight_of_first = true, weight
            if weight > 1 then visit.its_type = spec_type(spec) end
          else
            visit.weight_of_first = false
            if not kind then
              look(visit, id, spec, run, weight)
            elseif not taken.seen[id] then
              local holds = pass(visit.gates, id, 0, 1, visit.word)
              if unique then holds = holds_with(holds, unique, kind.wish, id) end
              take(id, spec, nil, kind.head, holds)
              kind.taken = kind.taken + 1
            end
            visit.used = visit.used + 1
            looks = looks + 1
            taken_here = #new_ids
            -- of an order no more than one is looked at
            visit.first = false
          end
        end
      end
    end
    for _, visit in ipairs(open) do
      visit.halted = false
      if visit.used < visit.length and not visit.closed then still[#still + 1] = visit end
    end
    open = still
    -- where many have left their lanes, look further at once
    stride = #taken.ids == before and 2 * stride or 1
  end
end

-- Room at a rate is kept for a lane whose first job counts for several and would go if there were enough: for the most
-- urgent one, and among equals the one that has waited longest.
local function keep_room(here, visit, cost)
  if cost < 2 or here.room == 0 or not goes_on(visit, visit.its_type) then return end
  for _, other in ipairs(visit.gates) do
    if other ~= here and room_of({ other }, visit.first, visit.weight_of_first, visit) == 0 then return end
  end
  local before = here.keeps or here.kept
  if before and before.word ~= visit.word then
    if before.urgency < visit.urgency then return end
    if before.urgency == visit.urgency and (not before.served or visit.used > 0) then return end
  end
  here.keeps = {
    till = math.min(opens_at(here, cost), now + LATE) + MOMENT, urgency = visit.urgency, cost = cost,
    served = visit.used > 0, word = visit.word,
  }
end

-- Reads what the first job of a lane counts that was not looked at, as room was kept for another one.
local function find_weight(visit)
  for _, here in ipairs(visit.gates) do
    if here.was_kept and not visit.weight_of_first then
      local id = redis.call('LINDEX', visit.list, visit.used)
      local spec, run = redis.call('HGET', jobs_key, id), redis.call('HGET', runs_key, id)
      visit.weight_of_first = weight_at(visit, spec, run and read_run(run))
      visit.its_type = spec and spec_type(spec)
    end
  end
end

-- Reads what is open and closed in the end: a lane before a closed gate waits there, and where there is room, others
-- that wait may come.
local function end_visits()
  for _, visit in ipairs(visits) do
    for _, kind in pairs(visit.kinds) do
      if kind and kind.taken > 0 then count_group(kind.queue, kind.key, -kind.taken) end
    end
    if visit.used < visit.length then
      if visit.is_ordered then find_head(visit) end
      if #visit.gates > 0 then
        find_weight(visit)
        local _, closed = room_of(visit.gates, visit.first, visit.weight_of_first, visit)
        visit.closed = closed
        if closed and closed.rate then
          local cost = cost_at(closed, visit.weight_of_first or 1)
          keep_room(closed, visit, cost)
          -- who is stopped by what is kept for another one waits as long as that
          if is_kept_from(closed, visit) then cost = math.max(cost, closed.kept.cost) end
          closed.missing = math.min(closed.missing or math.huge, cost)
        end
      end
      if visit.used >= visit.length then
        visit.closed = false
      elseif visit.closed then
        touch_gate(visit.closed.name)
        touch(shut_key(visit.line))
      else
        left_over = visit.line
        if visit.is_ordered then visit.rank = rank(lane_priority(visit.line, visit.lane)) end
      end
    end
  end
  local roomy, names = {}, {}
  for _, here in ipairs(gate_order) do
    -- where one waits that counts for several, those behind it do not pass, or it would wait for ever
    local room = not here.is_order and here.room and not (here.missing or here.kept) and room_at(here) or 0
    if room > 0 and room < math.huge then
      roomy[#roomy + 1], names[#names + 1] = here, here.name
    end
  end
  local waited_for = #names > 0 and redis.call('SMISMEMBER', gated_gates_key, unpack(names)) or {}
  for i, here in ipairs(roomy) do
    if waited_for[i] == 1 then
      reopen(here.name, room_at(here))
      if opened[here.name] then left_over = opened_order[#opened_order].line end
    end
  end
  for _, here in ipairs(gate_order) do
    if here.paused_until then
      open_at(here.name, here.paused_until)
    elseif here.rate and here.room then
      local kept, opens = here.keeps or here.kept, math.huge
      if here.free - here.spent < (here.missing or 1) then opens = opens_at(here, here.missing or 1) end
      if kept then opens = math.min(opens, kept.till - (kept.till - MOMENT > now and MOMENT or 0)) end
      if opens < math.huge then open_at(here.name, opens) end
    end
  end
end

-- Writes: takes from the lanes what was looked at, and keeps the indexes of lanes and lines true.
local function write_visits()
  local lines, order = {}, {}
  for _, visit in ipairs(visits) do
    local here = lines[visit.line]
    if not here then
      here = { line = visit.line, gone = {}, ranked = {} }
      lines[visit.line] = here
      order[#order + 1] = here
    end
    if visit.used > 0 then redis.call('LTRIM', visit.list, visit.used, -1) end
    if visit.closed and string.sub(visit.closed.name, 1, 2) == 'q/' then
      write_gated(visit.closed.name, visit.line, '')
    elseif visit.used >= visit.length + standing_aside(visit.list) then
      here.gone[#here.gone + 1] = visit.lane
      -- what comes to stand in it (lib/place.lua) does so in an empty one
      if places[visit.list] then places[visit.list].fill = true end
    elseif visit.closed then
      here.gone[#here.gone + 1] = visit.lane
      local its_rank = visit.used == 0 and redis.call('ZSCORE', lanes_key(visit.line), visit.lane)
      write_gated(visit.closed.name, visit.line, visit.lane, its_rank and its_rank % STRICT or nil)
    elseif visit.used > 0 then
      here.ranked[#here.ranked + 1] = visit.rank or rank(visit.priority or 1)
      here.ranked[#here.ranked + 1] = visit.lane
    end
  end
  for _, here in ipairs(order) do
    write_many('ZADD', lanes_key(here.line), here.ranked)
    write_many('ZREM', lanes_key(here.line), here.gone)
  end
  write_aside()
  for _, here in ipairs(order) do reindex(here.line) end
end
