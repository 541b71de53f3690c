-- Groups: how many jobs of each have not started. All groups are counted, so that a bound may be set at any time. Collected
-- first, written once a script.
local group_tally, group_order = {}, {}

local function count_group(queue, key, change)
  local group = key ~= '' and string.match(key, '^g=([^;]*)')
  if not group then return end
  local name = 'g/' .. plain(queue) .. '/' .. group
  if not group_tally[name] then group_order[#group_order + 1] = name end
  group_tally[name] = (group_tally[name] or 0) + change
end

-- A job that has not started leaves its group.
local function leave_group(spec)
  local queue, _, key = spec_place(spec)
  count_group(queue, key, -1)
end

-- A job that has not started becomes another one.
local function regroup(spec, its_spec)
  local queue, _, key = spec_place(its_spec)
  leave_group(spec)
  count_group(queue, key, 1)
end

-- A group that would come over its size by what has been read: 'full', its queue, that size, how many are in it, and its
-- name.
local function full_group()
  for _, name in ipairs(group_order) do
    local change = group_tally[name]
    local queue, group = string.match(name, '^g/([^/]*)/(.*)$')
    local most = change > 0 and ((rule_of(name) or {}).size or (queue_rule(queue) or {}).group_size)
    if most then
      local size = tonumber(redis.call('HGET', grouped_key, name) or 0)
      if size + change > most then return { 'full', queue, most, size, group } end
    end
  end
end

local function write_groups()
  if #group_order == 0 then return end
  local set, gone = {}, {}
  for i, size in ipairs(redis.call('HMGET', grouped_key, unpack(group_order))) do
    local name = group_order[i]
    local left = tonumber(size or 0) + group_tally[name]
    if left > 0 then
      set[#set + 1], set[#set + 2] = name, left
    elseif size then
      gone[#gone + 1] = name
    end
  end
  write_many('HSET', grouped_key, set)
  write_many('HDEL', grouped_key, gone)
end
