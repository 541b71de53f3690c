-- Gates: what a waiting job must pass to be delivered. A lane's key names those that all its jobs share, as
-- 'letter=value' with ';' between:
--   g=<group>                     a group of its queue, served in turn with the others; rules may limit and pause it
--   o=<key>                       the order of a key: one job at a time, in the order in which they came
--   c=<key>:<most>                concurrency: at most so many jobs of this key at a time
--   r=<key>:<n>/<ms>[/<burst>]    rate: n starts in any ms; with a burst: a bucket of that size which fills at this rate
--   t=<type>                      a type that stands aside: rules limit or pause it, or a worker does not know it
-- A gate is closed when it has no room. A lane before a closed gate is in no index, and so is never looked at: it waits
-- in 'gated:<gate>' until there is room, and is listed in 'shut:<line>'. A whole line waits so before the gate of its queue, 'q/<queue>'.
-- 'holds' has of each gate how many hold a place there, or whose turn it is.
local UNIQUE, ORDER = 117, 111  -- the letters of a unique key and a turn among what a job takes up
local SPARE = 60000  -- a window is kept longer than it counts: the clock may step back
-- Of each gate what is known of it here; where a job passed without more (lib/singles.lua), what is held since.
local gates, freed = {}, {}
local gate_order, freed_order = {}, {}

local function gated_key(name)
  return base .. 'gated:' .. name
end

local function window_key(name)
  return base .. 'window:' .. name
end

local function queue_of(line)
  return string.sub(line, 1, 1) == '!' and string.sub(line, 2) or line
end

local function gate(name, limit, rate, paused)
  local here = gates[name]
  if type(here) ~= 'table' then
    here = { name = name, held_since = here, limit = limit, rate = rate, paused = paused, taken = 0, spent = 0, starts = rate and {} }
    gates[name] = here
    gate_order[#gate_order + 1] = here
  end
  return here
end

-- How many may start now at this rate. A clock that has stepped back by more than a little leaves starts that are yet to
-- come: these do not count.
local function free_at(here)
  local rate = here.rate
  if not rate.burst then
    local since = '(' .. string.format('%.0f', now - rate.ms)
    return rate.n - redis.call('ZCOUNT', window_key(here.name), since, now + SPARE)
  end
  local full_at = tonumber(redis.call('HGET', rates_key, here.name) or 0)
  local latest = now_us + (rate.burst * rate.ms / rate.n + SPARE) * 1000
  here.full_at = full_at <= latest and math.max(full_at, now_us) or now_us
  return math.floor(rate.burst - (here.full_at - now_us) * rate.n / (rate.ms * 1000) + 1e-6)
end

-- What a job of this weight takes of what a rate lets through: never more than there can be.
local function cost_at(here, weight)
  return math.min(weight, here.rate.burst or here.rate.n)
end

-- Reads for which lane the room of a rate is kept: a job that counts for several waits until there is room for all of that,
-- and what is not more urgent does not take it away meanwhile. That ends by itself if the job does not come.
local function kept_at(here)
  local words = redis.call('HGET', rates_key, here.name .. '!')
  if not words then return nil end
  here.was_kept = true
  local till, urgency, cost, word = string.match(words, '^(%d+) (%d+) (%d+) (.+)$')
  if tonumber(till) <= now then return nil end
  return { till = tonumber(till), urgency = tonumber(urgency), cost = tonumber(cost), word = word }
end

-- Reads at once who holds places at these gates, and whose turn it is there.
local function read_held(some)
  local names, unread = {}, {}
  for _, here in ipairs(some) do
    if here.held == nil and (here.limit or here.is_order) then
      here.held = 0
      names[#names + 1], unread[#unread + 1] = here.name, here
    end
  end
  for from = 1, #names, 1000 do
    local to = math.min(from + 999, #names)
    for i, held in ipairs(redis.call('HMGET', holds_key, unpack(names, from, to))) do
      local here = unread[from + i - 1]
      held = here.held_since or held
      if here.is_order then here.owner = held or nil else here.held = tonumber(held or 0) end
    end
  end
end

-- How many more jobs it lets through, by its limit and whether it is paused.
local function places_at(here)
  local room = math.huge
  if here.limit then
    read_held({ here })
    room = here.limit - here.held
  end
  if here.rate then here.free, here.kept = free_at(here), kept_at(here) end
  local paused_until = is_any_paused() and tonumber(redis.call('HGET', pauses_key, here.name) or 0) or 0
  if paused_until > now then room, here.paused_until = 0, paused_until end
  if here.paused and not here.paused.until_ms then room = 0 end
  here.room = math.max(0, room)
  return here.room
end

-- How many more jobs of this weight it lets through.
local function room_at(here, weight)
  local room = here.room or places_at(here)
  if not here.rate or room == 0 then return room end
  return math.max(0, math.min(room, math.floor((here.free - here.spent) / cost_at(here, weight or 1))))
end

-- The gate of a queue as a whole; nil if no rule speaks of it.
local function queue_gate(queue)
  local rule = queue_rule(queue)
  if not (rule or is_any_paused()) then return nil end
  rule = rule or {}
  if not (rule.concurrency or rule.rate or rule.paused or any_pauses) then return nil end
  local here = gate('q/' .. plain(queue), nil, rule.rate, rule.paused)
  if rule.concurrency and not here.room then
    here.queue_limit = rule.concurrency
    local room = rule.concurrency - tonumber(redis.call('HGET', counts_key, 'a:' .. queue) or 0)
    here.room = math.max(0, math.min(places_at(here), room))
  end
  return here
end

local function order_gate(queue, key)
  local here = gate('o/' .. plain(queue) .. '/' .. key)
  here.is_order, here.room = true, here.room or 1
  return here
end

-- The gate of one part of a lane's key, if there is one, and the weight of a group.
local function find_gate(queue, letter, value)
  if letter == 'o' then return order_gate(queue, value) end
  if letter == 'g' then
    local name = 'g/' .. plain(queue) .. '/' .. value
    local own, common = rule_of(name), queue_rule(queue)
    if not (own or common) then return nil end
    own, common = own or {}, common or {}
    local limit, rate = own.concurrency or common.group_concurrency, own.rate or common.group_rate
    return (limit or rate or own.paused) and gate(name, limit, rate, own.paused) or nil, own.weight
  end
  if letter == 't' then
    local name = 't/' .. plain(value)
    local rule = rule_of(name)
    return rule and gate(name, rule.concurrency, rule.rate, rule.paused)
  end
  local colon = (letter == 'c' or letter == 'r') and string.find(value, ':', 1, true)
  -- a gate of a newer version: who knows it lets its jobs through
  if not colon then return nil end
  local name, limit = letter .. '/' .. string.sub(value, 1, colon - 1), string.sub(value, colon + 1)
  local rule = rule_of(name)
  if letter == 'c' then
    return gate(name, rule and rule.concurrency or tonumber(limit), nil, rule and rule.paused)
  end
  local rate = rule and rule.rate
  if not rate then
    local n, ms, burst = string.match(limit, '^(%d+)/(%d+)/?(%d*)$')
    rate = { n = tonumber(n), ms = tonumber(ms), burst = tonumber(burst) }
  end
  return gate(name, nil, rate, rule and rule.paused)
end

-- The gates of a lane, and the weight of its group.
local function gates_of(queue, key)
  local found, weight, from = {}, 1, 1
  while from < #key do
    local to = string.find(key, ';', from, true) or #key + 1
    local here, its_weight = find_gate(queue, string.sub(key, from, from), string.sub(key, from + 2, to - 1))
    found[#found + 1] = here
    weight = its_weight or weight
    from = to + 1
  end
  return found, weight
end

-- The gates that a job may have to pass beside that of its queue.
local function gate_names(spec)
  local queue, _, key = spec_place(spec)
  local names = { 't/' .. plain(spec_type(spec)) }
  for letter, value in string.gmatch(key, '([a-z])=([^;]*)') do
    local whose = (letter == 'g' or letter == 'o') and plain(queue) .. '/' or ''
    names[#names + 1] = letter .. '/' .. whose .. string.match(value, '^[^:]*')
  end
  return names
end

-- Does nothing stop anybody before this gate any more? (Keys of jobs limit by themselves.)
local function is_open(name)
  local kind, queue = string.match(name, '^([gqt])/([^/]*)')
  if not kind then return false end
  local own, common = rule_of(name) or {}, kind == 'g' and queue_rule(queue) or {}
  local paused = own.paused and (own.paused.until_ms or math.huge) > now
  return not (paused or own.concurrency or own.rate or common.group_concurrency or common.group_rate)
end

local function with_unique(holds, unique)
  if unique == '' then return holds end
  return (holds == '' and 'u/' or holds .. ' u/') .. unique
end

-- What is let go of at a gate: places, a turn, and starts at a rate that never were.
local function freed_at(name)
  local here = freed[name]
  if not here then
    local is_order = string.byte(name) == ORDER
    here = { name = name, count = 0, is_order = is_order, leavers = is_order and {}, cost = 0 }
    freed[name] = here
    freed_order[#freed_order + 1] = here
  end
  return here
end

-- Reads: a job that was delivered under this number has never begun: no rate counts it any more.
local function count_no_start(spec, id, number)
  local queue, _, key = spec_place(spec)
  local passed = gates_of(queue, key .. ';t=' .. spec_type(spec))
  passed[#passed + 1] = queue_gate(queue)
  for _, gate_here in ipairs(passed) do
    local rate, here = gate_here.rate, gate_here.rate and freed_at(gate_here.name)
    if rate then
      if not here.rate then
        here.rate, here.starts = rate, {}
        touch(window_key(here.name))
        here.full_at = rate.burst and tonumber(redis.call('HGET', rates_key, here.name) or 0)
      end
      local cost = cost_at(here, spec_weight(spec))
      here.cost = here.cost + cost
      here.starts[#here.starts + 1] = id .. ' ' .. number
      for i = 2, cost do here.starts[#here.starts + 1] = id .. ' ' .. number .. ' ' .. i end
    end
  end
end

-- A job comes into a state. Does it keep this that it took up? It leaves a place at once, its turn in an order only when it
-- ends, its unique key when it leaves the states of that.
local function retains(name, id, state)
  local kind = string.byte(name)
  if kind == UNIQUE then return leave_key(string.sub(name, 3), id, state) end
  if kind == ORDER and (state == 'd' or state == 'w') then return true end
  local here = freed_at(name)
  here.count = here.count + 1
  if here.is_order then here.leavers[id] = true end
  return false
end

-- A job comes into a state. Returns what it keeps of what it took up, which is one thing for most.
local function let_go(holds, id, state)
  if holds == '' then return '' end
  if not string.find(holds, ' ', 1, true) then return retains(holds, id, state) and holds or '' end
  local kept = {}
  for name in string.gmatch(holds, '%S+') do
    if retains(name, id, state) then kept[#kept + 1] = name end
  end
  return table.concat(kept, ' ')
end

-- The turn that a job may have been given before it had a record; '' if it stands in no order.
local function turn_of(spec)
  local queue, _, key = spec_place(spec)
  local turn = string.match(key, 'o=([^;]*)')
  return turn and 'o/' .. plain(queue) .. '/' .. turn or ''
end

-- Reads who holds what was let go of, and which of these gates anything waits before.
local function read_freed()
  for from = 1, #freed_order, 1000 do
    local to, names = math.min(from + 999, #freed_order), {}
    for i = from, to do names[i - from + 1] = freed_order[i].name end
    local held = redis.call('HMGET', holds_key, unpack(names))
    local waited_for = redis.call('SMISMEMBER', gated_gates_key, unpack(names))
    for i = from, to do
      local here, at = freed_order[i], i - from + 1
      here.now, here.waited_for = held[at], waited_for[at] == 1
      if here.is_order and not here.leavers[here.now or ''] then here.count = 0 end
    end
  end
end

-- A job goes elsewhere: it leaves its turn in an order. Returns what it keeps of what it took up.
local function leave_turn(holds, id)
  local kept = {}
  for name in string.gmatch(holds, '%S+') do
    if string.sub(name, 1, 2) == 'o/' then let_go(name, id, 'x') else kept[#kept + 1] = name end
  end
  return table.concat(kept, ' ')
end

-- What a job that waits takes up: as its record says; its unique key, before it had one; and its turn, which it may have
-- been given when it stood aside. Without its record, which is damaged: all that it could have been given.
local function holds_of(spec, run)
  if not run then
    local queue, _, key, unique = spec_place(spec)
    local names = {}
    for _, here in ipairs((gates_of(queue, key .. ';t=' .. spec_type(spec)))) do
      if here.is_order or here.limit then names[#names + 1] = here.name end
    end
    return with_unique(table.concat(names, ' '), unique)
  end
  local turn, holds = turn_of(spec), run.holds
  if holds == '' then
    local _, _, _, unique = spec_place(spec)
    return with_unique(turn, unique)
  end
  if turn == '' or string.find(' ' .. holds, ' o/', 1, true) then return holds end
  return turn .. ' ' .. holds
end

-- Writes who holds what at gates. A field longer than 64 bytes, which is no gate's, has the server keep the hash as a table:
-- in a list, as it keeps a small one, it looks through half of all gates for each one that is read or written.
local function write_held(pairs_of_gates)
  if #pairs_of_gates == 0 then return end
  redis.call('HSET', holds_key, '', string.rep('.', 65))
  write_many('HSET', holds_key, pairs_of_gates)
end

-- Writes: what was let go of.
local function write_freed()
  if #freed_order == 0 then return end
  local set, gone = {}, {}
  for _, here in ipairs(freed_order) do
    local left = not here.is_order and here.now and here.now - here.count or 0
    if left > 0 then
      set[#set + 1] = here.name
      set[#set + 1] = left
    elseif here.count > 0 then
      gone[#gone + 1] = here.name
    end
    if here.full_at then
      local full_at = here.full_at - here.cost * here.rate.ms * 1000 / here.rate.n
      redis.call('HSET', rates_key, here.name, string.format('%.0f', math.max(full_at, 0)))
    elseif here.rate then
      write_many('ZREM', window_key(here.name), here.starts)
    end
  end
  write_held(set)
  write_many('HDEL', holds_key, gone)
end
