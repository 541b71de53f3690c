#!lua flags=allow-oom
-- Hands waiting jobs to a worker, as many as it has free slots, in the order of service.
-- KEYS: jobs runs counts ready ready_solo leases delayed rules holds rates pauses gated_gates opens uniques periods followers grouped
-- ARGV: worker, sequence, how many, types it knows (',a,b,', each with '-' for '_'), margin of deadlines (ms), the lines
--       in the order in which they are served ('' by priority)
-- Returns: {'ok', specs, ids, fronts of run records (lib/run.lua), each with how many jobs in turn have it}, {'ok'} for nothing, or {'lease_lost'}. The same sequence again returns the same batch, an
--          older one nothing. Who got less than was asked for and less than there is finds a word in the inbox.
-- Moves: waiting → active; blocked → waiting, delayed
-- include: head spec run count wake delay rules groups unique gates place unstarted deliver aside pass visits kinds singles serve visited

local worker, sequence, asked, types, margin = ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7])
local given_order = ARGV[8] or ''
local lease = redis.call('ZSCORE', leases_key, worker)
if not lease or tonumber(lease) < now then return { 'lease_lost' } end
local me = redis.call('HMGET', member_key(worker), 'lines', 'sequence', 'batch', 'idle', 'types')
local lines, last = me[1], tonumber(me[2] or 0)

-- it was long on its way, behind its own repeat: nobody waits for this answer any more
if tonumber(sequence) < last then return { 'ok' } end
if me[2] == sequence then
  -- the reply was lost on its way: the same deliveries again, as far as they still stand
  local specs, ids, records = {}, {}, {}
  for id in string.gmatch(me[3], '%S+') do
    local spec, run = redis.call('HGET', jobs_key, id), redis.call('HGET', runs_key, id)
    if spec and run then
      local record = read_run(run)
      if record.state == 'a' and record.holder == worker then
        ids[#ids + 1], specs[#specs + 1], records[#records + 1], records[#records + 2] = id, spec, run, 1
      end
    end
  end
  return { 'ok', specs, ids, records }
end

busy = worker
taken = { wanted = math.min(asked, 1000), ids = {}, specs = {}, runs = {}, heads = {}, holds = {}, seen = {} }
local MOST_LINES, PAGE, MOST_LANES = 1000, 32, 64
local known, unknown = {}, {}

knows = function(type)
  if known[type] == nil then known[type] = is_among(type, types) end
  return known[type]
end

local index = string.sub(lines, 1, 1) == '!' and ready_solo_key or ready_key

-- Reads a page of the lines that this worker serves and that have work, in the order of their first lanes.
local function read_lines(from)
  local page = {}
  if lines == '*' or lines == '!*' then
    local found = redis.call('ZRANGE', index, from, from + PAGE - 1, 'WITHSCORES')
    for i = 1, #found, 2 do page[#page + 1] = { line = found[i], rank = tonumber(found[i + 1]) } end
  elseif from == 0 and given_order ~= '' then
    local place = 0
    for line in string.gmatch(given_order, '%S+') do
      place = place + 1
      if redis.call('ZSCORE', index, line) then page[#page + 1] = { line = line, rank = place } end
    end
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

local function class_of(its_rank)
  return math.floor(tonumber(its_rank) / STRICT)
end

-- Reads a page of the lanes of a line: those that come next, or of one priority those that come first.
local function read_lanes(entry, priority)
  if not priority then
    local till = entry.from + MOST_LANES - 1
    entry.lanes = redis.call('ZRANGE', lanes_key(entry.line), entry.from, till, 'WITHSCORES')
    entry.from = entry.from + MOST_LANES
  else
    entry.lanes = redis.call('ZRANGE', lanes_key(entry.line), priority * STRICT, '(' .. (priority + 1) * STRICT, 'BYSCORE',
      'LIMIT', 0, MOST_LANES, 'WITHSCORES')
  end
  entry.at = 1
  -- they are in order: if the last one has the priority of the first, all have
  local scores = entry.lanes
  local first, last = class_of(scores[2] or 0), class_of(scores[#scores] or 0)
  entry.class_of_all = first == last and first or nil
  return entry.lanes
end

-- With ageing: the priorities of a line in the order in which they are served, each with its rank. A lane rises by one
-- priority in each such time that it is not served.
local function aged(entry, ageing_ms)
  local order = {}
  for priority = 1, 10 do
    local first = read_lanes(entry, priority)
    if first[1] then
      order[#order + 1] = { priority = priority, rank = priority * ageing_ms + tonumber(first[2]) - priority * STRICT }
    end
  end
  table.sort(order, function(a, b) return a.rank < b.rank end)
  return order
end

-- Reads on to the next lanes of a line that this worker may serve together: those of one priority, no more than are
-- still wanted. None: `group` is nil.
local function next_group(entry)
  local group, class = {}, nil
  local most = math.min(MOST_LANES, math.max(1, taken.wanted - #taken.ids))
  entry.group = nil
  while #group < most do
    if entry.at > #entry.lanes then
      if class and entry.aged then break end
      if entry.aged then
        local next_one = table.remove(entry.aged, 1)
        if not next_one then break end
        read_lanes(entry, next_one.priority)
      elseif #entry.lanes < 2 * MOST_LANES or entry.from >= MOST_LINES or #read_lanes(entry) == 0 then
        break
      end
    end
    local lane = entry.lanes[entry.at]
    if lane then
      local its_rank = entry.lanes[entry.at + 1]
      local type, its_class = lane_type(lane), entry.class_of_all or class_of(its_rank)
      if not type or knows(type) then
        if class and its_class ~= class then break end
        if not class then class, entry.rank = its_class, given_order ~= '' and entry.rank or tonumber(its_rank) end
        group[#group + 1] = lane
      elseif not unknown[entry.line .. type] then
        -- whoever woke this worker meant one who knows this type
        unknown[entry.line .. type] = true
        choose_knowing(entry.line, type, 'unknown ' .. type)
      end
    end
    entry.at = entry.at + 2
  end
  if #group > 0 then entry.group, entry.class = group, class end
end

-- Each line is opened when its turn comes, and after its lanes of one priority gives way to the others: what is urgent
-- goes first, whatever line it stands in. If the worker names an order of its lines, they are served in that.
local page, at, from, open, shut = read_lines(0), 1, 0, {}, {}
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
    local its_gate = queue_gate(queue_of(coming.line))
    is_gated(coming.line)
    if its_gate and room_at(its_gate) == 0 then
      shut[#shut + 1] = coming.line
      touch_gate(its_gate.name)
    else
      local its_rule = queue_rule(queue_of(coming.line))
      coming.from = 0
      if its_rule and its_rule.ageing_ms then
        coming.aged = aged(coming, its_rule.ageing_ms)
        coming.lanes, coming.at = {}, 1
      else
        read_lanes(coming)
      end
      next_group(coming)
      if coming.group then open[#open + 1] = coming end
    end
  elseif entry then
    if enough() then
      left_over = entry.line
    else
      serve(entry.line, entry.group, entry.class)
      next_group(entry)
      if not entry.group then table.remove(open, first) end
    end
  end
until left_over or not (coming or entry)
end_visits()
let_keys_go()
local found = #taken.ids
-- what is left may be work for another one who is idle
if left_over then choose_idle(left_over) end
local go_on = left_over and found < asked
if go_on then touch(inbox_key(worker)) end
local idle = not left_over and found < asked
if idle ~= (me[4] == '1') then touch_idle(lines) end
touch(held_key(worker))

-- writes from here on
local reply = { 'ok' }
if found > 0 then reply[2], reply[3], reply[4] = taken.specs, taken.ids, deliver(taken, worker, margin) end
write_passed()
for _, line in ipairs(shut) do
  write_gated(queue_gate_name(line), line, '')
  redis.call('ZREM', ready_of(line), line)
end
write_visits()
write_keys()
write_places()
write_amended()
write_opened()
write_delays()
write_counts()
write_groups()
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
