-- Delayed jobs, and gates that open by themselves. What becomes the next one due wakes a scheduler.
local delays, openings, next_due = {}, {}, nil

local function first_score(key)
  return tonumber(redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2]) or math.huge
end

local function due_at(due)
  if not next_due then next_due = math.min(first_score(delayed_key), first_score(opens_key)) end
  if due < next_due then
    next_due = due
    choose_idle('@scheduler')
    choose_another('@scheduler')
  end
end

-- Reads: `id` is to be delayed until `due` (ms).
local function delay(id, due)
  due_at(due)
  delays[#delays + 1] = due
  delays[#delays + 1] = id
end

-- Reads: a gate opens at `due` (ms).
local function open_at(name, due)
  due_at(due)
  openings[#openings + 1] = due
  openings[#openings + 1] = name
end

local function write_delays()
  write_many('ZADD', delayed_key, delays)
  write_many('ZADD', opens_key, openings)
end
