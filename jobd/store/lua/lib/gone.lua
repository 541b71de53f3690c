-- The ids of removed jobs are remembered for two or three minutes, so that a late repeat of their enqueue cannot make
-- them again: in three hashes, of which the oldest runs out each minute.
local GONE_HASHES = 3

local function gone_key(minute)
  return base .. 'gone:' .. (minute % GONE_HASHES)
end

-- When was the job of this id removed (ms)? 0 if not lately.
local function gone_at(id)
  local latest = 0
  for minute = 0, GONE_HASHES - 1 do
    latest = math.max(latest, tonumber(redis.call('HGET', gone_key(minute), id) or 0))
  end
  return latest
end
