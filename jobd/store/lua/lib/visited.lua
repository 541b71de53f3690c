-- What becomes of the lanes that a fetch has visited: they stay where they are, wait before a gate, or are empty.
local LATE = 10000  -- room is kept for so long (ms), or until the job for which it is has been looked at again

-- Room at a rate is kept for a lane whose first job counts for several and would go if there were enough: for the most
-- urgent one, and among equals the one that has waited longest.
local function keep_room(here, visit, cost)
  if cost < 2 or here.room == 0 or not goes_on(visit, visit.its_type) then return end
  for _, other in ipairs(visit.gates) do
    if other ~= here and room_of({ other }, visit.first, visit.weight_of_first, visit) == 0 then return end
  end
  local before = here.keeps or here.kept
  if before and before.word ~= word_of(visit) then
    if before.urgency < visit.urgency then return end
    if before.urgency == visit.urgency and (not before.served or visit.used > 0) then return end
  end
  here.keeps = {
    till = math.min(opens_at(here, cost), now + LATE) + MOMENT, urgency = visit.urgency, cost = cost,
    served = visit.used > 0, word = word_of(visit),
  }
end

-- Reads what the first job of a lane counts that was not looked at, as room was kept for another one.
local function find_weight(visit)
  for _, here in ipairs(visit.gates) do
    if here.was_kept and not visit.weight_of_first then
      local id = visit.ids[visit.used - visit.from + 1]
      local spec, run = redis.call('HGET', jobs_key, id), redis.call('HGET', runs_key, id)
      visit.weight_of_first = weight_at(visit, spec, run and read_run(run))
      visit.its_type = spec and spec_type(spec)
    end
  end
end

-- Reads what is open and closed in the end: a lane before a closed gate waits there, and where there is room, others
-- that wait may come.
local function end_visits()
  for _, visit in ipairs(visits) do
    local line = visit.line
    if visit.taken > 0 then count_group(line.queue, visit.home, -visit.taken) end
    read_ids(visit, 0)
    if visit.used == visit.length then
      visit.closed = nil
    else
      if #visit.gates > 0 then
        find_weight(visit)
        local _, closed = room_of(visit.gates, visit.first, visit.weight_of_first, visit)
        visit.closed = closed
        if closed and closed.rate then
          local cost = cost_at(closed, visit.weight_of_first or 1)
          keep_room(closed, visit, cost)
          -- who is stopped by what is kept for another one waits as long as that
          if is_kept_from(closed, visit) then cost = math.max(cost, closed.kept.cost) end
          closed.missing = math.min(closed.missing or math.huge, cost)
        end
      end
      if visit.closed then
        touch_gate(visit.closed.name)
        touch(shut_key(line.name))
      else
        left_over = line.name
      end
    end
  end
  local roomy, names = {}, {}
  for _, line in ipairs(served) do
    for _, here in ipairs(line.roomy) do roomy[#roomy + 1], names[#names + 1] = here, here.name end
  end
  for _, here in ipairs(gate_order) do
    -- where one waits that counts for several, those behind it do not pass, or it would wait for ever
    local room = not here.is_order and here.room and not (here.missing or here.kept) and room_at(here) or 0
    if room > 0 and room < math.huge then
      roomy[#roomy + 1], names[#names + 1] = here, here.name
    end
  end
  local waited_for = #names > 0 and redis.call('SMISMEMBER', gated_gates_key, unpack(names)) or {}
  for i, here in ipairs(roomy) do
    if waited_for[i] == 1 then
      reopen(here.name, room_at(here))
      if opened[here.name] then left_over = opened_order[#opened_order].line end
    end
  end
  for _, here in ipairs(gate_order) do
    if here.paused_until then
      open_at(here.name, here.paused_until)
    elseif here.rate and here.room then
      local kept, opens = here.keeps or here.kept, math.huge
      if here.free - here.spent < (here.missing or 1) then opens = opens_at(here, here.missing or 1) end
      if kept then opens = math.min(opens, kept.till - (kept.till - MOMENT > now and MOMENT or 0)) end
      if opens < math.huge then open_at(here.name, opens) end
    end
  end
end

-- Writes: takes from the lanes what was looked at, and keeps the indexes of lanes and lines true.
local function write_visits()
  for _, visit in ipairs(visits) do
    local line, is_empty = visit.line, visit.used == visit.length
    if is_empty then
      line.emptied[#line.emptied + 1] = visit.list
    elseif visit.used > 0 then
      redis.call('LTRIM', visit.list, visit.used, -1)
    end
    if is_empty and standing_aside(visit.list) == 0 then
      line.gone[#line.gone + 1] = visit.lane
    elseif visit.closed and visit.closed ~= line.gate then
      line.gone[#line.gone + 1] = visit.lane
      local its_rank = visit.used == 0 and redis.call('ZSCORE', lanes_key(line.name), visit.lane)
      write_gated(visit.closed.name, line.name, visit.lane, its_rank and its_rank % STRICT or nil)
    else
      if visit.closed then write_gated(visit.closed.name, line.name, '') end
      -- also where the whole line waits: the next place of a queue is for another one of its lanes
      if visit.used > 0 then
        line.ranked[#line.ranked + 1] = rank(visit.urgency)
        line.ranked[#line.ranked + 1] = visit.lane
      end
    end
  end
  for _, line in ipairs(served) do
    local emptied = line.emptied
    for at = 1, #emptied, 4000 do redis.call('DEL', unpack(emptied, at, math.min(at + 3999, #emptied))) end
    write_many('ZADD', lanes_key(line.name), line.ranked)
    write_many('ZREM', lanes_key(line.name), line.gone)
  end
  write_aside()
  for _, line in ipairs(served) do reindex(line.name) end
end
