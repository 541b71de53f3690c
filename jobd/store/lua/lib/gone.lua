-- The ids of removed jobs are remembered for two or three minutes, so that a late repeat of their enqueue cannot make
-- them again: in three hashes, of which the oldest runs out each minute. With them stand those that were not made and
-- what became of them, so that a repeat is answered alike; and apart from these, under '!' and their ids, those that were
-- refused and what refused them: what another call was refused says nothing of one that had made its job before.
local GONE_HASHES = 3

local function gone_key(minute)
  return base .. 'gone:' .. (minute % GONE_HASHES)
end

-- When was the job of this id removed (ms), 0 if not lately; and of one that was not made: '<what> <id of another>'. With a
-- '!' before the id: when was it refused, and by what, in words.
local function gone_at(id)
  local latest, fate = 0, ''
  for minute = 0, GONE_HASHES - 1 do
    local at, its_fate = string.match(redis.call('HGET', gone_key(minute), id) or '', '^(%d+) ?(.*)$')
    if at and tonumber(at) >= latest then latest, fate = tonumber(at), its_fate end
  end
  return latest, fate
end

-- Writes: ids and what is to be known of each, in turn.
local function write_gone(words)
  local minute = math.floor(now / 60000)
  write_many('HSET', gone_key(minute), words)
  redis.call('PEXPIRE', gone_key(minute), (minute + GONE_HASHES) * 60000 - now)
end
