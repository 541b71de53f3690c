-- Rates that a handler has met elsewhere: nobody passes their gates for a while.

-- Reads: nobody passes the gate of a job's rate until a time, as whoever limits it has said. False if it has no rate.
local rate_holds = {}

local function hold_rate(spec, until_ms)
  local queue, _, key = spec_place(spec)
  local id, rule = string.match(key, 'r=([^;]*):'), queue_rule(queue)
  local name = id and 'r/' .. id or (rule and rule.rate and 'q/' .. plain(queue))
  if not name then return false end
  local held = rate_holds[name] or tonumber(redis.call('HGET', pauses_key, name) or 0)
  rate_holds[name] = math.max(held, until_ms)
  open_at(name, rate_holds[name])
  return true
end

local function write_rate_holds()
  for name, until_ms in pairs(rate_holds) do
    redis.call('HSET', pauses_key, name, string.format('%.0f', until_ms))
  end
end
