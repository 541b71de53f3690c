-- Lanes: a waiting job stands in one lane, named by priority and the key that orders or limits it. The lanes of a line
-- (a queue, or '!' and a queue for suspects) that may be served are indexed, and so are the lines that have any.
-- An id that stays in a lane after its job has left it is skipped by fetch: the record decides.
local places, place_order = {}, {}

local function lanes_key(line)
  return base .. 'lanes:' .. line
end

local function lane_key(line, lane)
  return base .. 'lane:' .. line .. ':' .. lane
end

local function ready_of(line)
  return string.sub(line, 1, 1) == '!' and ready_solo_key or ready_key
end

-- The order of service: by priority, and among equals by the time since a lane was last served or filled.
local function rank(priority)
  return priority * 1e13 + now
end

local function line_of(queue, suspect)
  return suspect and ('!' .. queue) or queue
end

-- Reads: `id` is to stand in the plain lane of this line and priority, at its end or at its front.
local function place(line, priority, id, front)
  local lane = priority .. ':'
  local key = lane_key(line, lane)
  local here = places[key]
  if not here then
    here = { line = line, lane = lane, key = key, priority = priority, back = {}, front = {} }
    here.empty = redis.call('LLEN', key) == 0
    if here.empty then redis.call('ZSCORE', lanes_key(line), lane) end
    places[key] = here
    place_order[#place_order + 1] = here
    choose_idle(line)
  end
  local ids = front and here.front or here.back
  ids[#ids + 1] = id
end

local function write_places()
  for _, here in ipairs(place_order) do
    write_many('RPUSH', here.key, here.back)
    local reversed, n = {}, #here.front
    for i = 1, n do reversed[i] = here.front[n + 1 - i] end
    write_many('LPUSH', here.key, reversed)
    if here.empty then
      redis.call('ZADD', lanes_key(here.line), rank(here.priority), here.lane)
      redis.call('ZADD', ready_of(here.line), 'LT', rank(here.priority), here.line)
    end
  end
end
