-- Passing gates: what a fetch takes up there.
local function word_of(visit)
  return visit.line.name .. ' ' .. visit.lane
end

local function is_kept_from(here, visit)
  return here.kept and here.kept.word ~= word_of(visit) and visit.urgency >= here.kept.urgency
end

-- Reads when the next one of this cost may start (ms), once those have that start now.
local function opens_at(here, cost)
  local rate = here.rate
  if not rate.burst then
    -- when the start leaves the window that is so far from the last one
    local back = rate.n + 1 - cost - here.spent
    local first = back > 0 and redis.call('ZRANGE', window_key(here.name), now + SPARE, '-inf', 'BYSCORE',
      'REV', 'LIMIT', back - 1, 1, 'WITHSCORES') or {}
    return (tonumber(first[2]) or now) + rate.ms
  end
  local full_at = here.full_at + (here.spent - rate.burst + cost) * rate.ms * 1000 / rate.n
  return math.ceil(full_at / 1000)
end

-- How many jobs of a lane may pass all these, and the first gate that is closed; `first` is the job at its head, and
-- `weight` what that counts against rates.
local function room_of(gates_here, first, weight, visit)
  local room, closed = math.huge, nil
  for i = 1, #gates_here do
    local here = gates_here[i]
    local its = room_at(here, weight)
    if here.is_order and here.owner then its = here.owner == first and its or 0 end
    if here.kept and is_kept_from(here, visit) then its = 0 end
    if its < room then room = its end
    if its == 0 and not closed then closed = here end
  end
  return room, closed
end

-- A job of this weight passes, in a delivery of this number. Returns what it takes up, to be given back when it leaves:
-- '' if nothing.
local function pass(gates_here, id, number, weight, visit)
  local holds = ''
  for i = 1, #gates_here do
    local here = gates_here[i]
    here.room = here.room - 1
    here.taken = here.taken + 1
    if here.rate then
      local cost = cost_at(here, weight)
      here.spent = here.spent + cost
      if here.kept and cost >= here.kept.cost and here.kept.word == word_of(visit) then here.kept = nil end
      here.starts[#here.starts + 1] = id .. ' ' .. number
      for i = 2, cost do here.starts[#here.starts + 1] = id .. ' ' .. number .. ' ' .. i end
    end
    if here.is_order then here.owner = id end
    if here.is_order or here.limit then holds = holds == '' and here.name or holds .. ' ' .. here.name end
  end
  return holds
end

-- Writes: what was taken up at gates, and the starts that count for rates.
local function write_passed()
  local set = {}
  for _, line in ipairs(served) do
    for _, word in ipairs(line.held) do set[#set + 1] = word end
  end
  for _, here in ipairs(gate_order) do
    local keeps = here.keeps
    if keeps then
      redis.call('HSET', rates_key, here.name .. '!', string.format('%.0f %d %d %s', keeps.till, keeps.urgency,
        keeps.cost, keeps.word))
    elseif here.was_kept and not here.kept then
      redis.call('HDEL', rates_key, here.name .. '!')
    end
    if here.taken > 0 then
      if here.is_order then
        set[#set + 1] = here.name
        set[#set + 1] = here.owner
      elseif here.limit then
        set[#set + 1] = here.name
        set[#set + 1] = here.held + here.taken
      end
      if here.rate and here.rate.burst then
        local full_at = here.full_at + here.spent * here.rate.ms * 1000 / here.rate.n
        redis.call('HSET', rates_key, here.name, string.format('%.0f', full_at))
      elseif here.rate then
        local starts = {}
        for i = 1, #here.starts do
          starts[2 * i - 1], starts[2 * i] = now, here.starts[i]
        end
        write_many('ZADD', window_key(here.name), starts)
        redis.call('ZREMRANGEBYSCORE', window_key(here.name), '-inf', now - here.rate.ms)
        redis.call('PEXPIRE', window_key(here.name), here.rate.ms + SPARE)
      end
    end
  end
  write_held(set)
end
