-- Ended jobs: a set for each queue and ending, by the time they ended; the oldest leave when there are too many.
local endings, ending_order, tellings, anybody_waits = {}, {}, {}, nil

-- Reads: whoever waits for the end of this job is to be told.
local function tell(id)
  if anybody_waits == nil then anybody_waits = redis.call('HLEN', waiters_key) > 0 end
  local inboxes = anybody_waits and redis.call('HGET', waiters_key, id)
  if not inboxes then return end
  for inbox in string.gmatch(inboxes, '%S+') do touch(inbox_key(inbox)) end
  tellings[#tellings + 1] = { id = id, inboxes = inboxes }
end

-- Reads: where jobs that end so stand. `most` is how many of their kind are kept in their queue where neither the queue
-- nor the job itself says anything; `spec` is needed only of a job that may.
local function ending_of(queue, state, most, spec)
  local shelf, keep = shelf_of(spec, queue, state)
  local key = shelf_key(shelf)
  local here = endings[key]
  if not here then
    local rule = not keep and queue_rule(queue)
    if rule then keep = state == 'c' and rule.keep_completed or state ~= 'c' and rule.keep_failed or nil end
    if keep then most = keep.count and math.max(keep.count, LEAST_KEPT) or math.huge end
    local size = redis.call('ZCARD', key)
    here = {
      key = key, shelf = shelf, queue = queue, state = state, most = most, ids = {}, number = 0, size = size, old = 0, new = 0,
      is_new_shelf = size == 0 and string.find(shelf, '/', 1, true),
    }
    endings[key] = here
    ending_order[#ending_order + 1] = here
  end
  return here
end

-- Reads: `id` ends now, and stands there.
local function finish_there(id, here)
  here.number = here.number + 1
  here.ids[here.number] = id
  if anybody_waits ~= false then tell(id) end
end

local function finish(id, queue, state, most, spec)
  finish_there(id, ending_of(queue, state, most, spec))
end

-- Reads, and counts: a kind that comes over its bound is to lose its oldest, up to 200 more over all kinds than come
-- in, so that the work stays bounded. Those that end in this moment are the youngest.
local function outnumber()
  local spare = 200
  for _, here in ipairs(ending_order) do
    local excess = math.min(here.size + here.number - here.most, here.number + spare)
    spare = spare - math.max(0, excess - here.number)
    here.old, here.new = math.max(0, math.min(excess, here.size)), math.max(0, excess - here.size)
    if here.old > 0 then remove(redis.call('ZRANGE', here.key, 0, here.old - 1)) end
    if here.new > 0 then remove({ unpack(here.ids, 1, here.new) }) end
    count(here.state, here.queue, here.number - here.old - here.new)
  end
end

local function write_ended()
  for _, here in ipairs(ending_order) do
    if here.old > 0 then redis.call('ZREMRANGEBYRANK', here.key, 0, here.old - 1) end
    local added, at = {}, string.format('%.0f', now)
    for i = here.new + 1, here.number do
      local n = 2 * (i - here.new)
      added[n - 1], added[n] = at, here.ids[i]
    end
    write_many('ZADD', here.key, added)
    if here.is_new_shelf then redis.call('HSET', shelves_key, here.shelf, '1') end
  end
  write_removed()
end

local function write_tellings()
  for _, telling in ipairs(tellings) do
    for inbox in string.gmatch(telling.inboxes, '%S+') do
      redis.call('RPUSH', inbox_key(inbox), 'ended ' .. telling.id)
      redis.call('PEXPIRE', inbox_key(inbox), 60000)
    end
    redis.call('HDEL', waiters_key, telling.id)
  end
end
