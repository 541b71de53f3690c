-- Limits of time of jobs that wait: when such a job is looked at next, to end it if its time has passed. It is looked at
-- once a day at least, so that a job that is gone is not remembered for longer.
local DAY = 86400000
local watches = {}

-- When is this job too late if it goes on waiting, and why: 'expires', 'deadline' or 'queue'?
local function too_late(spec, run)
  local expires, deadline, patience, ready = spec_limits(spec)
  if not expires then return math.huge end
  if run then
    ready = math.max(ready, run.due, run.finished)
    if run.deliveries > 0 or has(run, BY_HAND) then expires = math.huge end
    if has(run, BY_HAND) then deadline = math.huge end
  end
  local at = math.min(expires, deadline, ready + patience)
  return at, at == expires and 'expires' or at == deadline and 'deadline' or 'queue'
end

-- Notes that this job is to be looked at, if it has such a limit.
local function watch_limits(id, spec, run)
  if bit.band(string.byte(spec, 10) or 0, LIMITED) == 0 then return end
  local at = too_late(spec, run)
  if at < math.huge then
    watches[#watches + 1] = math.min(at, now + DAY)
    watches[#watches + 1] = id
  end
end

local function write_watches()
  write_many('ZADD', expiring_key, watches)
end
