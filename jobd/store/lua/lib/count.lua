-- Counters: how many jobs of a queue are in a state. Collected first, written once a script.
local tally = {}

local function count(state, queue, change)
  local field = state .. ':' .. queue
  tally[field] = (tally[field] or 0) + change
end

local function write_counts()
  for field, change in pairs(tally) do
    if change ~= 0 then redis.call('HINCRBY', counts_key, field, change) end
  end
end
