#!lua flags=allow-oom
-- Hands waiting jobs to a worker, as many as it has free slots, in the order of service.
-- KEYS: jobs runs counts ready ready_solo leases
-- ARGV: worker, sequence, how many, types it knows (',a,b,', each with '-' for '_'), margin of deadlines (ms)
-- Returns: {'ok', id, spec, run record, …}, or {'lease_lost'}. The same sequence again returns the same batch, an
--          older one nothing. Who got less than was asked for and less than there is finds a word in the inbox.
-- Moves: waiting → active
-- include: head spec run count wake place deliver

local worker, sequence, asked, types, margin = ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7])
local lease = redis.call('ZSCORE', leases_key, worker)
if not lease or tonumber(lease) < now then return { 'lease_lost' } end
local me = redis.call('HMGET', member_key(worker), 'lines', 'sequence', 'batch', 'idle', 'types')
local lines, last = me[1], tonumber(me[2] or 0)

-- it was long on its way, behind its own repeat: nobody waits for this answer any more
if tonumber(sequence) < last then return { 'ok' } end
if me[2] == sequence then
  -- the reply was lost on its way: the same deliveries again, as far as they still stand
  local again = { 'ok' }
  for id in string.gmatch(me[3], '%S+') do
    local spec, run = redis.call('HGET', jobs_key, id), redis.call('HGET', runs_key, id)
    if spec and run then
      local record = read_run(run)
      if record.state == 'a' and record.holder == worker then
        again[#again + 1], again[#again + 2], again[#again + 3] = id, spec, run
      end
    end
  end
  return again
end

busy = worker
local wanted = math.min(asked, 1000)
local MOST_LOOKS, MOST_BYTES, MOST_LINES, PAGE, CHUNK = wanted + 1000, 4194304, 1000, 32, 100
local looks, bytes, visited, left_over = 0, 0, {}, nil
local taken = { ids = {}, specs = {}, runs = {}, seen = {} }

local function enough()
  return #taken.ids >= wanted or looks >= MOST_LOOKS or bytes >= MOST_BYTES
end

local known = {}

local function knows(type)
  if known[type] == nil then known[type] = is_among(type, types) end
  return known[type]
end

-- Reads one lane: takes what is waiting there, passes over what has left it.
local function look(line, lane)
  local list, priority = lane_key(line, lane), tonumber(string.match(lane, '^%d+'))
  local visit = { line = line, lane = lane, list = list, priority = priority, used = 0 }
  visit.length = redis.call('LLEN', list)
  visited[#visited + 1] = visit
  local stride = 1
  while visit.used < visit.length and not enough() do
    local before, most = #taken.ids, math.min(math.max(wanted - #taken.ids, stride), CHUNK)
    local ids = redis.call('LRANGE', list, visit.used, visit.used + most - 1)
    local specs = redis.call('HMGET', jobs_key, unpack(ids))
    local runs = redis.call('HMGET', runs_key, unpack(ids))
    local looked = #ids
    for i = 1, #ids do
      if #taken.ids >= wanted then
        looked = i - 1
        break
      end
      local id, spec, run = ids[i], specs[i], runs[i]
      run = run and read_run(run)
      if spec and (not run or run.state == 'w') and not taken.seen[id] then
        local queue, its_priority = spec_place(spec)
        if its_priority == priority and line_of(queue, run and has(run, SUSPECT)) == line then
          local type = spec_type(spec)
          taken.seen[id] = true
          bytes = bytes + #spec
          if knows(type) then
            local n = #taken.ids + 1
            taken.ids[n], taken.specs[n], taken.runs[n] = id, spec, run or queue
          else
            park(line, priority, type, id)
          end
        end
      end
    end
    visit.used = visit.used + looked
    looks = looks + looked
    -- where many have left the lane, look further at once
    stride = #taken.ids == before and 2 * stride or 1
  end
  if visit.used < visit.length then left_over = line end
end

local index = string.sub(lines, 1, 1) == '!' and ready_solo_key or ready_key

-- Reads a page of the lines that this worker serves and that have work, in the order of their first lanes.
local function read_lines(from)
  local page = {}
  if lines == '*' or lines == '!*' then
    local found = redis.call('ZRANGE', index, from, from + PAGE - 1, 'WITHSCORES')
    for i = 1, #found, 2 do page[#page + 1] = { line = found[i], rank = tonumber(found[i + 1]) } end
  elseif from == 0 then
    local mine = {}
    for line in string.gmatch(lines, '%S+') do mine[#mine + 1] = line end
    for i, score in ipairs(redis.call('ZMSCORE', index, unpack(mine))) do
      if score then page[#page + 1] = { line = mine[i], rank = tonumber(score) } end
    end
    table.sort(page, function(a, b) return a.rank < b.rank end)
  end
  return page
end

-- Reads on to the next lane of a line that this worker may serve; none: `lane` is nil.
local function next_lane(entry)
  entry.lane = nil
  repeat
    if entry.at > #entry.lanes then
      if #entry.lanes < 2 * PAGE or entry.from >= MOST_LINES then return end
      entry.lanes = redis.call('ZRANGE', lanes_key(entry.line), entry.from, entry.from + PAGE - 1, 'WITHSCORES')
      entry.at, entry.from = 1, entry.from + PAGE
    end
    local lane = entry.lanes[entry.at]
    local type = lane and string.match(lane, ':@(.*)$')
    if lane and (not type or knows(type)) then entry.lane, entry.rank = lane, tonumber(entry.lanes[entry.at + 1]) end
    entry.at = entry.at + 2
  until entry.lane
end

-- Each line is opened when its turn comes, and after each of its lanes gives way to the others: what is urgent goes
-- first, whatever line it stands in.
local page, at, from, open = read_lines(0), 1, 0, {}
repeat
  if at > #page and #page == PAGE and from < MOST_LINES then
    from = from + PAGE
    page, at = read_lines(from), 1
  end
  local coming, first = page[at], 1
  for i = 2, #open do if open[i].rank < open[first].rank then first = i end end
  local entry = open[first]
  if coming and (not entry or coming.rank < entry.rank) then
    at = at + 1
    coming.lanes = redis.call('ZRANGE', lanes_key(coming.line), 0, PAGE - 1, 'WITHSCORES')
    coming.at, coming.from = 1, PAGE
    next_lane(coming)
    if coming.lane then open[#open + 1] = coming end
  elseif entry then
    look(entry.line, entry.lane)
    next_lane(entry)
    if not entry.lane then table.remove(open, first) end
  end
until left_over or not (coming or entry)
local found = #taken.ids
-- what is left may be work for another one who is idle
if left_over then choose_idle(left_over) end
local go_on = left_over and found < asked
if go_on then touch(inbox_key(worker)) end
local idle = not left_over and found < asked
if idle ~= (me[4] == '1') then lines_of(worker) end
touch(held_key(worker))

-- writes from here on
local reply = { 'ok' }
if found > 0 then
  local batch = deliver(taken.ids, taken.specs, taken.runs, worker, margin)
  for i = 1, found do
    local at = 3 * i - 1
    reply[at], reply[at + 1], reply[at + 2] = taken.ids[i], taken.specs[i], batch[2 * i]
  end
end
for _, visit in ipairs(visited) do leave_lane(visit) end
write_parked()
write_counts()
local fields = { 'sequence', sequence, 'batch', table.concat(taken.ids, ' ') }
if me[5] ~= types then
  fields[#fields + 1] = 'types'
  fields[#fields + 1] = types
end
if idle ~= (me[4] == '1') then
  if idle then
    for line in string.gmatch(lines, '%S+') do redis.call('SADD', idle_key(line), worker) end
  else
    not_idle(worker, lines)
  end
  fields[#fields + 1] = 'idle'
  fields[#fields + 1] = idle and '1' or '0'
end
redis.call('HSET', member_key(worker), unpack(fields))
if go_on then leave_word(worker, 'wake') end
write_wakes()
return reply
