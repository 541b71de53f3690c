-- Visits: the lanes that a fetch looks into. It says which types its worker `knows`, and in `taken` how many jobs are wanted,
-- and finds there what it is to deliver.
-- Many lanes have one job each: what is found once a line, or read of several lanes at once, is not read for each. A visit
-- has no more than 16 fields: for more the server makes its table anew.
local MOST_LOOKS, MOST_BYTES = 1000, 4194304
local knows
local looks, bytes, left_over = 0, 0, nil
local taken
local visits, served, free_types, nothing = {}, {}, {}, {}

local function enough()
  return #taken.ids >= taken.wanted or looks >= taken.wanted + MOST_LOOKS or bytes >= MOST_BYTES
end

-- A line that is served, and what is to be written of its lanes.
local function line_at(name)
  local line = served[name]
  if not line then
    local queue = queue_of(name)
    line = {
      name = name, queue = queue, is_solo = name ~= queue, gate = queue_gate(queue),
      held = {}, roomy = {}, emptied = {}, gone = {}, ranked = {},
    }
    served[name] = line
    served[#served + 1] = line
  end
  return line
end

local function find_gates(visit, key)
  local found, weight = gates_of(visit.line.queue, key)
  found[#found + 1] = visit.line.gate
  visit.gates, visit.weight = found, weight
  if #found == 0 then visit.is_free = true end
end

-- Reads the next ids of a lane: so many, and one more, which tells whether there are others.
local function read_ids(visit, most)
  if visit.is_whole or visit.length > visit.used + most then return end
  local ids = redis.call('LRANGE', visit.list, visit.used, visit.used + most)
  visit.ids, visit.from, visit.length = ids, visit.used, visit.used + #ids
  visit.is_whole = #ids <= most
end

-- A job that stands in this lane, waiting: what it has in common with its kind, its lane key, what makes it unique, and what
-- it counts. Nothing of one that has left it: that is passed over.
local function standing(visit, spec, run)
  if not spec or (run and run.state ~= 'w') then return nil end
  local line, head, is_solo = visit.line, spec_head(spec), run and has(run, SUSPECT) or false
  if head.queue ~= line.queue or is_solo ~= line.is_solo then return nil end
  local key, unique, weight = '', '', ''
  if head.keyed then key, unique, weight = spec_keys(spec) end
  local home = key
  if visit.is_ordered and key ~= visit.home then home = string.match(key or '', 'o=[^;]*') end
  if home ~= visit.home or not (visit.is_ordered or head.priority == visit.urgency) then return nil end
  return head, key, unique, weight
end

-- Does a job of this type go on, or does it stand aside?
local function goes_on(visit, its_type)
  if visit.type == its_type then return knows(its_type) end
  if free_types[its_type] == nil then
    free_types[its_type] = knows(its_type) and not rule_of('t/' .. plain(its_type))
  end
  return free_types[its_type]
end

-- Looks for the first jobs of these ordering keys, whose gates are those of their lanes.
local function find_heads(some)
  while #some > 0 and looks < taken.wanted + MOST_LOOKS do
    local ids, still = {}, {}
    for i, visit in ipairs(some) do ids[i] = visit.ids[visit.used - visit.from + 1] end
    local specs = redis.call('HMGET', jobs_key, unpack(ids))
    local runs = redis.call('HMGET', runs_key, unpack(ids))
    for i, visit in ipairs(some) do
      local spec, run = specs[i], runs[i] and read_run(runs[i]) or nil
      local head, key, _, weight = standing(visit, spec, run)
      if head then
        visit.first, visit.spec, visit.run, visit.urgency = ids[i], spec, run, head.priority
        if weight ~= '' then visit.weight_of_first, visit.its_type = tonumber(weight), head.type end
        find_gates(visit, visit.type and key .. ';t=' .. visit.type or key)
      else
        visit.used = visit.used + 1
        looks = looks + 1
        read_ids(visit, 1)
        if visit.used < visit.length then still[#still + 1] = visit end
      end
    end
    some = still
  end
end

-- Reads what has to be known of these lanes before any job is taken from them.
local function prepare(some)
  local headless, closable = {}, {}
  for _, visit in ipairs(some) do
    if visit.is_ordered and not visit.first then
      read_ids(visit, 1)
      if visit.used < visit.length then headless[#headless + 1] = visit end
    end
  end
  find_heads(headless)
  for _, visit in ipairs(some) do
    for _, here in ipairs(visit.gates) do closable[#closable + 1] = here end
  end
  read_held(closable)
end

-- `ids` are the first two that stand in it, if they have been read.
local function visit_of(line, lane, priority, ids)
  local is_ordered, colon = string.sub(lane, 1, 1) == '*', string.find(lane, ':', 1, true)
  local home = string.sub(lane, colon + 1)
  local visit = {
    line = line, lane = lane, list = lane_key(line.name, lane), home = home, is_ordered = is_ordered, urgency = priority,
    gates = nothing, weight = 1, used = 0, length = 0, ids = nothing, from = 0, taken = 0,
  }
  if ids then visit.ids, visit.length, visit.is_whole = ids, #ids, #ids < 2 end
  if not is_ordered then find_gates(visit, home) end
  local type = lane_type(home)
  if type then visit.type, visit.home = type, string.gsub(home, ';?t=[^;]*$', '') end
  visits[#visits + 1] = visit
  return visit
end
