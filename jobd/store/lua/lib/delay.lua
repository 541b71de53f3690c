-- Delayed jobs. A job that becomes the next one due wakes a scheduler.
local delays, next_due = {}, nil

-- Reads: `id` is to be delayed until `due` (ms).
local function delay(id, due)
  if not next_due then
    next_due = tonumber(redis.call('ZRANGE', delayed_key, 0, 0, 'WITHSCORES')[2]) or math.huge
  end
  if due < next_due then
    next_due = due
    choose_idle('@scheduler')
  end
  delays[#delays + 1] = due
  delays[#delays + 1] = id
end

local function write_delays()
  write_many('ZADD', delayed_key, delays)
end
