-- Counters: how many jobs of a queue are in a state. Collected first, written once a script.
local tally = {}

local function count(state, queue, change)
  local here = tally[state]
  if not here then
    here = {}
    tally[state] = here
  end
  here[queue] = (here[queue] or 0) + change
end

local function write_counts()
  for state, queues in pairs(tally) do
    for queue, change in pairs(queues) do
      if change ~= 0 then redis.call('HINCRBY', counts_key, state .. ':' .. queue, change) end
    end
  end
end
