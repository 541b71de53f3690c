-- Jobs that have not started, changed by others that come or go: their spec, their time, or what they waited for.
local unstarted, amended = {}, {}

-- A job as it stands in this script; nil if there is none.
local function job_at(id)
  local here = unstarted[id]
  if here then return here end
  local spec, raw = redis.call('HGET', jobs_key, id), redis.call('HGET', runs_key, id)
  if not spec then return nil end
  here = { id = id, spec = spec, run = raw and read_run(raw) or new_run('w', (spec_place(spec))) }
  here.run.state = states_now[id] or here.run.state
  unstarted[id] = here
  return here
end

local function has_started(here)
  local state = here.run.state
  return here.run.deliveries > 0 or not (state == 'w' or state == 'd' or state == 'b')
end

-- Reads: it has this spec from now on, and is in this state; `due` (ms) is when it may run.
local function amend(here, spec, state, due)
  local run, queue, priority, words = here.run, spec_place(spec)
  local old_queue, old_priority, old_words = spec_place(here.spec)
  if state ~= run.state or queue ~= old_queue then
    count(run.state, old_queue, -1)
    count(state, queue, 1)
  end
  local stays = run.state == 'w' and state == 'w' and queue == old_queue and spec_type(spec) == spec_type(here.spec)
    and lane_of(priority, words) == lane_of(old_priority, old_words)
  if run.state == 'w' then leave_lane(here.id, here.spec, run) end
  if run.state == 'w' and not stays then let_go(turn_of(here.spec), here.id, 'x') end
  if state == 'w' and not stays then place(queue, priority, here.id, spec_front(spec), words) end
  if state == 'd' then delay(here.id, due) end
  here.was_delayed = here.was_delayed or run.state == 'd' or state == 'd'
  here.spec, run.state, run.queue, run.due = spec, state, queue, due
  if not here.amended then
    here.amended = true
    amended[#amended + 1] = here
  end
end

let_follow = function(id, name)
  local here = job_at(id)
  if not here or here.run.holder ~= 'u/' .. name then return false end
  here.run.holder = ''
  amend(here, here.spec, here.run.due > now and 'd' or 'w', here.run.due)
  return true
end

local function write_amended()
  if #amended == 0 then return end
  local specs, records, plain, undelayed = {}, {}, {}, {}
  for _, here in ipairs(amended) do
    local run = here.run
    specs[#specs + 1] = here.id
    specs[#specs + 1] = here.spec
    -- one that was given back before it began keeps its fence
    if run.state == 'w' and run.history == '' and run.fence == 0 then
      plain[#plain + 1] = here.id
    else
      records[#records + 1] = here.id
      records[#records + 1] = write_run(run)
    end
    if here.was_delayed and run.state ~= 'd' then undelayed[#undelayed + 1] = here.id end
  end
  write_many('HSET', jobs_key, specs)
  write_many('HSET', runs_key, records)
  write_many('HDEL', runs_key, plain)
  write_many('ZREM', delayed_key, undelayed)
end
