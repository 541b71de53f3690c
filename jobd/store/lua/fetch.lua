#!lua flags=allow-oom
-- Hands waiting jobs to a worker, as many as it has free slots, in the order of service.
-- KEYS: jobs runs counts ready ready_solo leases
-- ARGV: worker, sequence, how many, types it knows (',a,b,'), margin of deadlines (ms)
-- Returns: {'ok', id, spec, run record, …}, or {'lease_lost'}. The same sequence again returns the same batch, an older
--          one nothing. A worker that got less than it asked for and less than there is finds a word in its inbox.
-- Moves: waiting → active
-- include: head spec run count wake place deliver

local worker, sequence, asked, types, margin = ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7])
local lease = redis.call('ZSCORE', leases_key, worker)
if not lease or tonumber(lease) < now then return { 'lease_lost' } end
local me = redis.call('HMGET', member_key(worker), 'lines', 'sequence', 'batch', 'idle')
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
local MOST_LOOKS, MOST_BYTES, MOST_LINES, PAGE, CHUNK = wanted + 1000, 33554432, 1000, 32, 100
local looks, bytes, visited, left_over = 0, 0, {}, nil
local taken = { ids = {}, specs = {}, runs = {}, seen = {} }

local function enough()
  return #taken.ids >= wanted or looks >= MOST_LOOKS or bytes >= MOST_BYTES
end

local function knows(type)
  return string.find(types, ',' .. type .. ',', 1, true)
end

-- Reads one lane: takes what is waiting there, passes over what has left it.
local function look(line, lane)
  local list = lane_key(line, lane)
  local priority = tonumber(string.match(lane, '^%d+'))
  local visit = { line = line, lane = lane, list = list, priority = priority, used = 0, length = redis.call('LLEN', list) }
  visited[#visited + 1] = visit
  while visit.used < visit.length and not enough() do
    local ids = redis.call('LRANGE', list, visit.used, visit.used + math.min(wanted - #taken.ids, CHUNK) - 1)
    local specs = redis.call('HMGET', jobs_key, unpack(ids))
    local runs = redis.call('HMGET', runs_key, unpack(ids))
    for i = 1, #ids do
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
            taken.ids[n], taken.specs[n], taken.runs[n] = id, spec, run or new_run('w', queue)
          else
            park(line, priority, type, id)
          end
        end
      end
    end
    visit.used = visit.used + #ids
    looks = looks + #ids
  end
  if visit.used < visit.length then left_over = line end
end

-- Reads one line, lane by lane. Sets `left_over` if there is more in it than was taken.
local function serve(line)
  for from = 0, MOST_LINES - PAGE, PAGE do
    local lanes = redis.call('ZRANGE', lanes_key(line), from, from + PAGE - 1)
    for _, lane in ipairs(lanes) do
      local type = string.match(lane, ':@(.*)$')
      if not type or knows(type) then
        if enough() then left_over = line else look(line, lane) end
        if left_over then return end
      end
    end
    if #lanes < PAGE then return end
  end
end

local index = string.sub(lines, 1, 1) == '!' and ready_solo_key or ready_key

local function serve_any()
  for from = 0, MOST_LINES - PAGE, PAGE do
    local page = redis.call('ZRANGE', index, from, from + PAGE - 1)
    for _, line in ipairs(page) do
      serve(line)
      if left_over then return end
    end
    if #page < PAGE then return end
  end
end

local function serve_these()
  local mine, order, scores = {}, {}, {}
  for line in string.gmatch(lines, '%S+') do mine[#mine + 1] = line end
  for i, score in ipairs(redis.call('ZMSCORE', index, unpack(mine))) do
    if score then
      order[#order + 1] = mine[i]
      scores[mine[i]] = tonumber(score)
    end
  end
  table.sort(order, function(a, b) return scores[a] < scores[b] end)
  for _, line in ipairs(order) do
    serve(line)
    if left_over then return end
  end
end

if lines == '*' or lines == '!*' then serve_any() else serve_these() end
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
    count('w', taken.runs[i].queue, -1)
    count('a', taken.runs[i].queue, 1)
  end
end
for _, visit in ipairs(visited) do leave_lane(visit) end
write_parked()
write_counts()
local fields = { 'sequence', sequence, 'batch', table.concat(taken.ids, ' ') }
if idle ~= (me[4] == '1') then
  if idle then
    for line in string.gmatch(lines, '%S+') do redis.call('SADD', idle_key(line), worker) end
  else
    not_idle(worker, lines)
  end
  fields[5], fields[6] = 'idle', idle and '1' or '0'
end
redis.call('HSET', member_key(worker), unpack(fields))
if go_on then leave_word(worker, 'wake') end
write_wakes()
return reply
