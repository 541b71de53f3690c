#!lua flags=allow-oom
-- Makes waiting what is due, 250 at most, and opens gates whose time has come; what is left is for the next call.
-- KEYS: jobs runs delayed counts ready ready_solo leases rules holds rates pauses gated_gates opens uniques periods followers
-- ARGV: the scheduler that asks ('' if none); it is idle, and woken for the next one due, when nothing is due any more
-- Returns: {how many were promoted, when the next one is due (ms; -1 if none is), the time (ms)}
-- Moves: delayed → waiting; blocked → waiting, delayed
-- include: head spec run count wake delay rules unique gates place unstarted

local MOST = 250
local due = redis.call('ZRANGEBYSCORE', delayed_key, '-inf', now, 'LIMIT', 0, MOST)
local records, plain, promoted = {}, {}, {}
if #due > 0 then
  local specs = redis.call('HMGET', jobs_key, unpack(due))
  local runs = redis.call('HMGET', runs_key, unpack(due))
  for i = 1, #due do
    local id, spec, raw = due[i], specs[i], runs[i]
    local run = raw and read_delivery(raw)
    if spec and run and run.state == 'd' then
      local queue, priority, key, unique = spec_place(spec)
      if unique ~= '' then leave_key(unique, id, 'w') end
      -- a retry keeps its place: it goes before those that have not run yet
      local front = not run.is_new or spec_front(spec)
      place(line_of(queue, run.is_suspect), priority, id, front, key)
      promoted[queue] = (promoted[queue] or 0) + 1
      -- one that was given back before it began keeps its fence
      if run.is_new and run.fence == 0 and raw == run.front then
        plain[#plain + 1] = id
      else
        local n = #records
        run.waiting = run.waiting or string.sub(raw, 1, 1) .. 'w' .. string.sub(run.front, 3)
        records[n + 1], records[n + 2] = id, run.waiting .. string.sub(raw, #run.front + 1)
      end
    end
  end
end
for queue, number in pairs(promoted) do
  count('d', queue, -number)
  count('w', queue, number)
end
let_keys_go()

-- Is there room at a gate, for the first lane that waits before it?
local function has_room(name)
  local line, lane = string.match(redis.call('ZRANGE', gated_key(name), 0, 0)[1] or '', '^(%S+) (.+)$')
  if not lane then return false end
  local key = string.match(lane, '^[^:]*:(.*)$')
  if string.sub(lane, 1, 1) == '*' then
    local first = redis.call('LINDEX', lane_key(line, lane), 0)
    local spec = first and redis.call('HGET', jobs_key, first)
    if not spec then return true end
    key = spec_keys(spec)
  end
  for _, here in ipairs((gates_of(queue_of(line), key))) do
    if here.name == name then return room_at(here) > 0 end
  end
  return true
end

-- Reads: lets lanes that wait before a gate be served again. The one for which the room of a rate is kept comes first.
local function reopen_due(name)
  local kept = redis.call('HGET', rates_key, name .. '!')
  return reopen(name, LOOKED, kept and string.match(kept, '^%d+ %d+ %d+ (.+)$'))
end

local due_gates = redis.call('ZRANGEBYSCORE', opens_key, '-inf', now, 'LIMIT', 0, 100)
local over, past, seen_groups = {}, {}, {}
for _, name in ipairs(due_gates) do
  if string.sub(name, 1, 7) == 'groups/' then
    -- a rule of their queue has changed: it is new to those that have waited since before
    local since = redis.call('ZSCORE', opens_key, name)
    local groups = redis.call('ZRANGEBYSCORE', gated_key(name), '-inf', since, 'LIMIT', 0, 20)
    for _, group in ipairs(groups) do
      reopen(group, 100)
      if is_open(group) and redis.call('ZCARD', gated_key(group)) > 100 then open_at(group, now) end
      seen_groups[#seen_groups + 1] = { list = name, group = group, since = since + 1 }
    end
    if #groups < 20 then past[#past + 1] = name end
  elseif string.sub(name, 1, 5) == 'more/' then
    local gate_name = string.sub(name, 6)
    local waiting = redis.call('ZCARD', gated_key(gate_name))
    local is_free = waiting > 0 and has_room(gate_name)
    if is_free then reopen_due(gate_name) end
    if is_free and waiting > LOOKED then open_at(name, now + MOMENT) else past[#past + 1] = name end
  else
    local more = reopen_due(name)
    -- a gate that is none any more lets all of them through
    if not more and not (is_open(name) and redis.call('ZCARD', gated_key(name)) > 100) then past[#past + 1] = name end
    if tonumber(redis.call('HGET', pauses_key, name) or 0) <= now then over[#over + 1] = name end
  end
end
for _, here in ipairs(opened_order) do choose_another(here.line) end
local scheduler = ARGV[3]
local lease = scheduler ~= '' and redis.call('ZSCORE', leases_key, scheduler)
local lives = lease and tonumber(lease) >= now
if lives then touch(idle_key('@scheduler')) end

if #due > 0 then redis.call('ZREMRANGEBYRANK', delayed_key, 0, #due - 1) end
if #plain > 0 then redis.call('HDEL', runs_key, unpack(plain)) end
if #records > 0 then redis.call('HSET', runs_key, unpack(records)) end
write_places()
write_keys()
write_delays()
write_amended()
if #past > 0 then redis.call('ZREM', opens_key, unpack(past)) end
if #over > 0 then redis.call('HDEL', pauses_key, unpack(over)) end
-- those that still wait then are looked at anew with the next rule
for _, seen in ipairs(seen_groups) do redis.call('ZADD', gated_key(seen.list), 'XX', seen.since, seen.group) end
write_opened()
write_counts()
write_wakes()
local next_at = math.min(first_score(delayed_key), first_score(opens_key))
if lives and next_at > now then redis.call('SADD', idle_key('@scheduler'), scheduler) end
return { #due, next_at < math.huge and next_at or -1, now }
