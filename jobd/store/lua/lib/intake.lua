-- Taking jobs in, for enqueue and for what a handler enqueued. Arguments from `at` on: the number of groups, then for
-- each: parent (a number or empty), queue, priority, due ('' now, '+ms' from now, 'ms' at), number of jobs (500 at
-- most), and id and spec of each.
local incoming = { specs = {}, runs = {}, staged = {}, known = {}, seen = {} }

-- Does this blocked job stand in this batch already, by an earlier sending of it?
local function stands_in(stage, id)
  local raw = redis.call('HGET', runs_key, id)
  local run = raw and read_run(raw)
  return run and run.state == 'b' and run.holder == stage
end

-- Reads. `parents` says which parents' groups are taken (nil: all); `stage` names the batch they wait in, if any;
-- `since` (ms) is when they were first sent, if they may have been here before: then a job that has been removed since
-- is not made again, and one that is here with the same spec was made by that earlier sending.
local function take_in(at, parents, stage, since)
  local prefix, position, groups = stamp(), 0, tonumber(ARGV[at])
  local taken_before = #prefix + 1
  at = at + 1
  for _ = 1, groups do
    local parent, queue, due = ARGV[at], ARGV[at + 1], ARGV[at + 3]
    local priority, n = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 4])
    at = at + 5
    if not parents or parents[tonumber(parent)] then
      local when = tonumber(due) or 0
      if string.sub(due, 1, 1) == '+' then when = now + tonumber(string.sub(due, 2)) end
      local ids = {}
      for i = 1, n do ids[i] = ARGV[at + 2 * i - 2] end
      local existing = redis.call('HMGET', jobs_key, unpack(ids))
      local fresh = 0
      for i = 1, n do
        local id, spec, here = ids[i], ARGV[at + 2 * i - 1], existing[i]
        position = position + 1
        if here or incoming.seen[id] or (since and gone_at(id) >= since) then
          local by_us = here and not incoming.seen[id]
          if by_us and stage then
            by_us = stands_in(stage, id)
          elseif by_us then
            by_us = since and string.sub(here, taken_before) == spec
          end
          if not by_us then incoming.known[#incoming.known + 1] = position end
        else
          fresh = fresh + 1
          local specs = incoming.specs
          specs[#specs + 1] = id
          specs[#specs + 1] = prefix .. spec
          local run
          if stage then
            run = new_run('b', queue)
            run.due, run.holder = when, stage
            incoming.staged[#incoming.staged + 1] = id
          elseif when > now then
            run = new_run('d', queue)
            run.due = when
            delay(id, when)
          else
            local whole = specs[#specs]
            place(queue, priority, id, spec_front(whole), (spec_keys(whole)))
          end
          if run then
            incoming.runs[#incoming.runs + 1] = id
            incoming.runs[#incoming.runs + 1] = write_run(run)
          end
        end
        incoming.seen[id] = true
      end
      count(stage and 'b' or (when > now and 'd' or 'w'), queue, fresh)
    else
      position = position + n
    end
    at = at + 2 * n
  end
end

local function write_intake()
  write_many('HSET', jobs_key, incoming.specs)
  write_many('HSET', runs_key, incoming.runs)
end
