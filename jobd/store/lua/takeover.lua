#!lua flags=allow-oom
-- Takes over jobs whose holder's lease has run out, or whose own deadline has passed, under a new fence. As long as the
-- monitor holds any from an earlier call, whose answer may have been lost, it gets those again and no others.
-- KEYS: jobs runs leases rules pauses
-- ARGV: the monitor that takes over, how many at most, where to go on among the living members
-- Returns: {'lease_lost'} or {'ok', where to go on (0: all were seen), more (1 if there may be more at this place),
--          then for each job: id, spec, run record, who held it, why ('lease' or 'deadline'), how many jobs that held,
--          cause of the holder's end ('' if unknown), lines it served}
-- Moves: active → active
-- include: head spec run wake rules unique gates part

local monitor, most, from = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local MOST_DEAD, MOST_LIVING = 32, 100
local lease = redis.call('ZSCORE', leases_key, monitor)
if not lease or tonumber(lease) < now then return { 'lease_lost' } end

local reply = { 'ok', 0, 0 }

local function answer(id, spec, run, facts)
  local at = #reply
  reply[at + 1], reply[at + 2], reply[at + 3] = id, spec, run
  for i = 1, 5 do reply[at + 3 + i] = facts[i] end
end

local me = redis.call('HMGET', member_key(monitor), 'taken', 'lease')
local told, my_lease = me[1], tonumber(me[2] or 0)
local earlier, ids = told and cmsgpack.unpack(told) or {}, {}
for id in pairs(earlier) do ids[#ids + 1] = id end
if #ids > 0 then
  local specs = redis.call('HMGET', jobs_key, unpack(ids))
  local runs = redis.call('HMGET', runs_key, unpack(ids))
  for i = 1, #ids do
    local run, facts = runs[i] and read_run(runs[i]), earlier[ids[i]]
    if run and run.state == 'a' and run.holder == monitor and run.fence == facts[6] then
      answer(ids[i], specs[i], runs[i], facts)
    end
  end
end
if #reply > 3 then
  reply[2], reply[3] = from, 1
  return reply
end
touch(held_key(monitor))

local found, records, mine, taken, given_up, crowded = 0, {}, {}, {}, {}, {}

-- The run of a job that is in hand. One whose record is damaged begins anew: of what it has been through nothing is known.
local function run_in_hand(spec, raw, member)
  local run = read_run(raw)
  if string.find('wdbacfx', run.state, 1, true) then return run end
  run = new_run('a', (spec_place(spec)))
  run.holder, run.attempt, run.deliveries, run.started = member, 1, 1, now
  run.holds = holds_of(spec)
  return run
end

-- Reads: takes these jobs from a member. What was taken by a monitor that died over it is told as that was told.
local function take(member, ids, why)
  local specs = redis.call('HMGET', jobs_key, unpack(ids))
  local runs = redis.call('HMGET', runs_key, unpack(ids))
  local about = redis.call('HMGET', member_key(member), 'cause', 'lines', 'held', 'taken')
  local earlier = about[4] and cmsgpack.unpack(about[4]) or {}
  local held = tonumber(about[3] or nil) or redis.call('ZCARD', held_key(member))
  given_up[#given_up + 1] = { member = member, ids = ids }
  for i = 1, #ids do
    local id, run = ids[i], specs[i] and runs[i] and run_in_hand(specs[i], runs[i], member)
    if run and run.state == 'a' and run.holder == member then
      found = found + 1
      local facts = earlier[id]
      if not facts or facts[6] ~= run.fence then facts = { member, why, held, about[1] or '', about[2] or '' } end
      run.holder = monitor
      run.fence = math.max(run.fence + 1, now_us)
      local record = write_run(run)
      records[#records + 1], records[#records + 2] = id, record
      mine[#mine + 1], mine[#mine + 2] = '+inf', id
      facts[6] = run.fence
      taken[id] = facts
      answer(id, specs[i], record, facts)
    end
  end
  return held
end

local dead = redis.call('ZRANGEBYSCORE', leases_key, '-inf', '(' .. string.format('%.0f', now), 'LIMIT', 0, MOST_DEAD)
if #dead == MOST_DEAD then reply[3] = 1 end
for _, member in ipairs(dead) do
  if found < most then
    local ids = redis.call('ZRANGE', held_key(member), 0, most - found - 1)
    local held = #ids > 0 and take(member, ids, 'lease')
    if #ids == redis.call('ZCARD', held_key(member)) then
      part(member)
    else
      crowded[#crowded + 1] = { member = member, held = held }
      reply[3] = 1
    end
  else
    reply[3] = 1
  end
end

-- A lease that ends later than one that begins now was given before the clock stepped back: it is cut, so that who died
-- unseen keeps its jobs for one lease longer, whatever the step. Only one longer than ours is asked for its length: in
-- most fleets all leases are of one length.
local cut = {}
local living = redis.call('ZRANGEBYSCORE', leases_key, string.format('%.0f', now), '+inf', 'WITHSCORES',
  'LIMIT', from, MOST_LIVING)
for i = 1, #living, 2 do
  local member, rest = living[i], tonumber(living[i + 1]) - now
  if rest > my_lease then
    local whole = tonumber(redis.call('HGET', member_key(member), 'lease') or nil)
    if whole and rest > whole then cut[#cut + 1], cut[#cut + 2] = now + whole, member end
  end
  if member ~= monitor then
    if found < most then
      local late = redis.call('ZRANGEBYSCORE', held_key(member), '-inf', now, 'LIMIT', 0, most - found)
      if #late > 0 then take(member, late, 'deadline') end
    else
      reply[3] = 1
    end
  end
end
if reply[3] == 1 then reply[2] = from elseif #living == 2 * MOST_LIVING then reply[2] = from + MOST_LIVING end
touch(idle_key('@monitor'))

if #records > 0 then
  redis.call('HSET', member_key(monitor), 'taken', cmsgpack.pack(taken))
  redis.call('HSET', runs_key, unpack(records))
  redis.call('ZADD', held_key(monitor), unpack(mine))
elseif told then
  redis.call('HDEL', member_key(monitor), 'taken')
end
for _, from_whom in ipairs(given_up) do redis.call('ZREM', held_key(from_whom.member), unpack(from_whom.ids)) end
for _, crowd in ipairs(crowded) do redis.call('HSET', member_key(crowd.member), 'held', crowd.held) end
write_partings()
if #cut > 0 then redis.call('ZADD', leases_key, unpack(cut)) end
if reply[2] == 0 and reply[3] == 0 then redis.call('SADD', idle_key('@monitor'), monitor) end
return reply
