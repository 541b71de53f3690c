-- Answers that are kept for a day under a name of the caller's, so that a request that comes again is answered alike.
local ONE_DAY = 86400000

-- Reads: what was answered under this name: {'answered', digest of the request, answers …}; nil if nothing was.
local function answer_before(name)
  local raw = name ~= '' and redis.call('HGET', answers_key, name)
  local kept = raw and cmsgpack.unpack(raw)
  if not kept or kept[1] <= now then return nil end
  local answer = { 'answered', kept[2] }
  for i, word in ipairs(kept[3]) do answer[i + 2] = word end
  return answer
end

local function keep_answer(name, digest, words)
  redis.call('HSET', answers_key, name, cmsgpack.pack({ now + ONE_DAY, digest, words }))
  redis.call('ZADD', answered_key, now + ONE_DAY, name)
end
