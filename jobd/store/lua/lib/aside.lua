-- Standing aside: jobs of a type that a worker does not know, or that a rule speaks of, leave for a lane of their own,
-- with ';t=type' in its key, so that those behind them are not held up.
local aside, aside_order, turns = {}, {}, {}

-- The type that a lane's key is for, if it is for one.
local function lane_type(key)
  return string.find(key, 't=', 1, true) and string.match(key, 't=([^;]*)$')
end

-- Reads: one who is idle and knows this type is woken, for a `purpose` of its own.
local function choose_knowing(line, type, purpose)
  choose_idle(line, purpose, function(member)
    return is_among(type, redis.call('HGET', member_key(member), 'types') or '')
  end)
end

-- Reads: `id` is to stand aside. In an ordering key it keeps its turn.
local function stand_aside(line, priority, key, type, id, gates_here)
  local lane = lane_of(priority, key)
  lane = lane .. (string.sub(lane, -1) == ':' and 't=' or ';t=') .. type
  local list = lane_key(line, lane)
  local here = aside[list]
  if not here then
    here = { line = line, lane = lane, list = list, rank = rank(priority), ids = {} }
    here.fill = redis.call('LLEN', list) == 0
    here.is_ordered = string.sub(lane, 1, 1) == '*'
    if here.is_ordered and not here.fill then pass_on(line, lane) end
    aside[list] = here
    aside_order[#aside_order + 1] = here
    choose_knowing(line, type, list)
  end
  here.ids[#here.ids + 1] = id
  for _, one in ipairs(gates_here) do
    if one.is_order then
      one.owner = id
      turns[#turns + 1] = one.name
      turns[#turns + 1] = id
    end
  end
end

-- How many come to stand in this lane.
local function standing_aside(list)
  return aside[list] and #aside[list].ids or 0
end

local function write_aside()
  for _, here in ipairs(aside_order) do
    -- whoever has the turn stands before all others of an order
    redis.call(here.is_ordered and 'LPUSH' or 'RPUSH', here.list, unpack(here.ids))
    if here.fill then redis.call('ZADD', lanes_key(here.line), here.rank, here.lane) end
  end
  write_held(turns)
end
