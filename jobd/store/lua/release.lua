#!lua flags=allow-oom
-- Releases up to 500 jobs of a committed batch, 50 if their records differ; takes back those of a batch that was not
-- committed in time, or is to be given up before.
-- KEYS: jobs runs results progress delayed counts ready ready_solo leases stages waiters rules holds pauses gated_gates opens uniques periods followers grouped
-- ARGV: batch, '1' to give up one that is not committed
-- Returns: how many are left (0: the batch is done), or -1 if it is still being sent
-- Moves: blocked → waiting, delayed, gone
-- include: head spec run count wake delay rules groups unique gates place unstarted gone remove shelf ended

local REMEMBERED, PART = 60000, 50
local stage = ARGV[3]
local list = base .. 'stage:' .. stage
local state = redis.call('HGET', stages_key, stage)
if not state then return 0 end
local deadline = tonumber(state)
if deadline and deadline >= now and ARGV[4] ~= '1' then return -1 end
local ids = redis.call('LRANGE', list, 0, 499)
local released = tonumber(string.match(state, '^released (%d+)'))
if #ids == 0 and released and released >= now then return 0 end

local plain, records, given_up, seen, kinds, number_of_kinds, places_of, taken = {}, {}, {}, {}, {}, 0, {}, 0

-- What is to be known of a run record: those of jobs that came together are the same.
local function kind_of(raw)
  local run = read_run(raw)
  local here = {
    is_ours = run.state == 'b' and run.holder == stage, comes_to = run.due > now and 'd' or 'w', due = run.due,
    queue = run.queue, priority = run.fence, number = 0,
  }
  if here.is_ours and here.comes_to == 'd' then
    run.state, run.holder, run.fence = 'd', '', 0
    here.delayed = write_run(run)
  end
  kinds[raw] = here
  number_of_kinds = number_of_kinds + 1
  return here
end

-- Reads: a job comes to wait, or to be delayed. `spec` is nil if nothing but its queue and priority places it.
local function let_go_on(id, kind, spec)
  if kind.comes_to == 'd' then
    records[#records + 1], records[#records + 2] = id, kind.delayed
    delay(id, kind.due)
  else
    plain[#plain + 1] = id
    local head = spec and spec_head(spec)
    if not head or head.flags == 0 then
      local place_here = places_of[head or kind]
      if not place_here then
        place_here = place_of(kind.queue, head and head.priority or kind.priority, '')
        places_of[head or kind] = place_here
      end
      place_here.back[#place_here.back + 1] = id
    else
      place(head.queue, head.priority, id, spec_front(spec), (spec_keys(spec)))
    end
  end
end

-- Reads: what becomes of the next ones of the list. False if those were too many records that differ.
local function take_part()
  local part, specs = { unpack(ids, taken + 1, math.min(taken + PART, #ids)) }, nil
  local runs = redis.call('HMGET', runs_key, unpack(part))
  for i = 1, #part do
    local id, raw = part[i], runs[i]
    if number_of_kinds == PART and raw and not kinds[raw] then
      taken = taken + i - 1
      return false
    end
    local kind = raw and (kinds[raw] or kind_of(raw))
    if kind and kind.is_ours and not seen[id] then
      seen[id] = true
      local spec = nil
      if kind.priority == 0 then
        specs = specs or redis.call('HMGET', jobs_key, unpack(part))
        spec = specs[i]
      end
      if spec then
        local _, _, key, unique = spec_place(spec)
        if unique ~= '' then leave_key(unique, id, deadline and '-' or kind.comes_to) end
        if deadline then count_group(kind.queue, key, -1) end
      end
      if spec == false then
        -- its spec is lost
      elseif not deadline then
        kind.number = kind.number + 1
        let_go_on(id, kind, spec)
      else
        count('b', kind.queue, -1)
        given_up[#given_up + 1] = id
        tell(id)
      end
    end
  end
  taken = taken + #part
  return true
end

while taken < #ids and take_part() do end
for _, kind in pairs(kinds) do
  if kind.number > 0 then
    count('b', kind.queue, -kind.number)
    count(kind.comes_to, kind.queue, kind.number)
  end
end
remove(given_up)
let_keys_go()
local left = redis.call('LLEN', list) - taken

write_removed(true)
if #plain > 0 then redis.call('HDEL', runs_key, unpack(plain)) end
if #records > 0 then redis.call('HSET', runs_key, unpack(records)) end
if taken > 0 then redis.call('LTRIM', list, taken, -1) end
if left == 0 then
  if deadline or taken == 0 then
    redis.call('HDEL', stages_key, stage)
  else
    -- a repeat of the commit may still be on its way
    redis.call('HSET', stages_key, stage, string.format('released %.0f', now + REMEMBERED))
  end
end
write_keys()
write_delays()
write_places()
write_opened()
write_counts()
write_groups()
write_wakes()
write_tellings()
return left
