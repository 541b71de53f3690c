-- Taking jobs in, for enqueue and for what a handler enqueued. Arguments from `at` on: the number of groups, then for
-- each: parent (a number or empty), queue, priority, due ('' now, '+ms' from now, 'ms' at), number of jobs (500 at
-- most), and id and spec of each. Then pairs of a queue and the edition of its rule (lib/rules.lua) by which its jobs
-- were made, '-' if that does not matter; a queue that is not named had none.
-- Not made: `known` are positions, with what met their unique keys behind them; `fates` are for lib/gone.lua, `refused` is
-- what refuses all, in words.
local incoming
local numbers = {}

-- Does this blocked job stand in this batch already, by an earlier sending of it?
local function stands_in(stage, id)
  local raw = redis.call('HGET', runs_key, id)
  local run = raw and read_run(raw)
  return run and run.state == 'b' and run.holder == stage
end

-- Was this id chosen by a caller, who may ask for it in several calls? One that jobd made is asked for in one.
local function is_chosen(id)
  return #id ~= 26 or string.find(id, '[^0-9A-HJKMNP-TV-Z]') ~= nil
end

-- What has become since then (ms) of one that is not here: '' if it was removed, '<what> <id of another>' if it was not
-- made; else what refused it, in words, behind it. Nil and nil if nothing has.
local function fate_since(id, since)
  local gone, fate = gone_at(id)
  if gone >= since then return fate, nil end
  local refused, words = gone_at('!' .. id)
  if refused >= since then return nil, words end
  return nil, nil
end

local function words_of(text)
  local words = {}
  for word in string.gmatch(text, '%S+') do words[#words + 1] = word end
  return words
end

-- Reads: a job is not made, because of another one. A repeat of a call that has changed anything is to be answered alike
-- when the other has ended; and so is a late copy of one that was answered.
local function note_met(id, position, what, other, refuses)
  incoming.met[id] = what .. ' ' .. other
  incoming.known[#incoming.known + 1] = position .. ' ' .. incoming.met[id]
  if refuses then
    incoming.refused = incoming.refused or { 'unique', id, other }
  else
    if #incoming.fates == 0 then touch(gone_key(math.floor(now / 60000))) end
    incoming.fates[#incoming.fates + 1] = id
    incoming.fates[#incoming.fates + 1] = string.format('%.0f %s %s', now, what, other)
    incoming.is_asked_often = incoming.is_asked_often or is_chosen(id)
  end
end

-- The record of a job that is not to run yet, and who it waits for. Those of jobs that came together are the same but for
-- the time at which each is due, from call to call too.
local unstarted_kind
local PLUS = 43

local function unstarted_run(state, queue, due, holder, priority)
  local kind = unstarted_kind
  if not kind or kind.queue ~= queue or kind.state ~= state or kind.holder ~= holder or kind.priority ~= priority then
    local run = new_run(state, queue)
    run.holder = holder
    if state == 'b' then run.fence = priority end
    local raw = write_run(run)
    kind = { state = state, queue = queue, holder = holder, priority = priority, front = string.sub(raw, 1, 32), back = string.sub(raw, 41) }
    unstarted_kind = kind
  end
  return kind.front .. struct.pack('>d', due) .. kind.back
end

-- A number of few: reading one out of its words takes longer than to find it again.
local function number_in(words)
  local number = numbers[words]
  if not number then
    number = tonumber(words)
    numbers[words] = number
  end
  return number
end

-- Reads which of the jobs of these groups exist, in one command for up to 1 000: jobs that are due at times of their own
-- come in groups of one. Returns their specs by id.
local function existing_of(at, parents)
  local ids, number, here = {}, 0, {}
  for _ = 1, tonumber(ARGV[at]) do
    local n = number_in(ARGV[at + 5])
    if not parents or parents[tonumber(ARGV[at + 1])] == '1' then
      for i = 1, n do ids[number + i] = ARGV[at + 4 + 2 * i] end
      number = number + n
    end
    at = at + 5 + 2 * n
  end
  for from = 1, #ids, 1000 do
    local some = redis.call('HMGET', jobs_key, unpack(ids, from, math.min(from + 999, #ids)))
    for i = 1, #some do if some[i] then here[ids[from + i - 1]] = some[i] end end
  end
  return here
end

-- Reads. `parents` has a '1' for those parents whose groups are taken (nil: all); `stage` names the batch they wait in, if any;
-- `since` (ms) is when they were first sent, if they may have been here before: then a job that has been removed since
-- is not made again, and one that is here with the same spec was made by that earlier sending.
local function take_in(at, parents, stage, since)
  incoming = { specs = {}, runs = {}, staged = {}, known = {}, seen = {}, met = {}, fates = {} }
  local prefix, position, groups = stamp(), 0, tonumber(ARGV[at])
  local taken_before, existing, byte = #prefix + 1, existing_of(at, parents), string.byte
  local specs, seen, size = incoming.specs, incoming.seen, 0
  at = at + 1
  for _ = 1, groups do
    local parent, queue, due = ARGV[at], ARGV[at + 1], ARGV[at + 3]
    local priority, n = number_in(ARGV[at + 2]), number_in(ARGV[at + 4])
    at = at + 5
    if not parents or parents[tonumber(parent)] == '1' then
      local when = 0
      if byte(due) == PLUS then when = now + tonumber(string.sub(due, 2)) elseif due ~= '' then when = tonumber(due) end
      local usual = stage and 'b' or when > now and 'd' or 'w'
      local fresh, usual_ids, usual_run = 0, nil, nil
      for i = 1, n do
        local id, spec = ARGV[at + 2 * i - 2], ARGV[at + 2 * i - 1]
        local here = existing[id]
        position = position + 1
        -- of one that comes twice here, both are told the same
        local fate, refusal = incoming.met[id], nil
        if since and not here and not fate then fate, refusal = fate_since(id, since) end
        if here or seen[id] or fate or refusal then
          local by_us = here and not seen[id]
          if by_us and stage then
            by_us = stands_in(stage, id)
          elseif by_us then
            by_us = since and string.sub(here, taken_before) == spec
          end
          if refusal then
            incoming.refused = incoming.refused or words_of(refusal)
          elseif not by_us then
            incoming.known[#incoming.known + 1] = (fate or '') == '' and position or position .. ' ' .. fate
          end
        elseif byte(spec) == 0 then
          -- the most frequent case: nothing but its queue, its priority and its time says where it stands
          specs[size + 1], specs[size + 2] = id, prefix .. spec
          size = size + 2
          fresh = fresh + 1
          if usual == 'w' then
            usual_ids = usual_ids or place_of(queue, priority, '').back
            usual_ids[#usual_ids + 1] = id
          else
            usual_run = usual_run or unstarted_run(usual, queue, when, stage or '', priority)
            incoming.runs[#incoming.runs + 1], incoming.runs[#incoming.runs + 2] = id, usual_run
            if usual == 'd' then delay(id, when) else incoming.staged[#incoming.staged + 1] = id end
          end
        else
          local whole = prefix .. spec
          local lane_words, unique = spec_keys(whole)
          local state, holder, run, met = usual, stage or '', nil, nil
          if unique ~= '' then
            local what, other, insists = claim(unique, id, whole, when > now and 'd' or 'w', when)
            if what == 'follows' then
              state, holder = 'b', 'u/' .. other
            elseif what then
              met = true
              note_met(id, position, what, other, insists and not parents)
            end
          end
          if not met then
            specs[size + 1], specs[size + 2] = id, whole
            size = size + 2
            if state == usual then fresh = fresh + 1 else count(state, queue, 1) end
            count_group(queue, lane_words, 1)
            if state == 'w' then
              place(queue, priority, id, spec_front(whole), lane_words)
            else
              run = new_run(state, queue)
              run.due, run.holder = when, holder
              incoming.runs[#incoming.runs + 1] = id
              incoming.runs[#incoming.runs + 1] = write_run(run)
              if state == 'd' then delay(id, when) elseif stage then incoming.staged[#incoming.staged + 1] = id end
            end
            watch_limits(id, whole, run)
            if unique ~= '' then unstarted[id] = { id = id, spec = whole, run = run or new_run('w', queue) } end
          end
        end
        seen[id] = true
      end
      count(usual, queue, fresh)
    else
      position = position + n
    end
    at = at + 2 * n
  end
  incoming.behind = at
end

-- Reads: the queues whose options have changed since these jobs were made by them, each with its rule; nil if none.
local function changed_queues(at)
  local groups = tonumber(ARGV[at])
  if any_rules == nil and groups > 0 then look_for_rules() end
  if groups == 0 or (not any_rules and incoming.behind > #ARGV) then return nil end
  local known, changed = {}, { 'changed' }
  for i = incoming.behind, #ARGV, 2 do known[ARGV[i]] = ARGV[i + 1] end
  at = at + 1
  for _ = 1, groups do
    local queue = ARGV[at + 1]
    if known[queue] ~= '-' then
      local rule = queue_rule(queue)
      if (rule and rule.edition or '') ~= (known[queue] or '') then
        changed[#changed + 1] = queue
        changed[#changed + 1] = redis.call('HGET', rules_key, 'q/' .. plain(queue)) or ''
      end
      known[queue] = '-'
    end
    at = at + 5 + 2 * tonumber(ARGV[at + 4])
  end
  return #changed > 1 and changed or nil
end

local function write_intake()
  write_many('HSET', jobs_key, incoming.specs)
  write_many('HSET', runs_key, incoming.runs)
  write_watches()
end

-- Writes: what a repeat of an enqueue is to be answered, if it has changed anything or may be one itself; or if another
-- call for the same id may still be on its way, which would make what its caller was told is not.
local function write_fates(since)
  local lasts = since or #incoming.specs > 0 or #amended > 0 or incoming.is_asked_often
  if #incoming.fates > 0 and lasts then write_gone(incoming.fates) end
end

-- Writes: that all were refused, if an earlier copy of the call, or another call for the same id, may still be on its way.
-- It would come in when there is room again, or the key is free, although its caller was told that it never will.
local function write_refusal(words, since)
  local fate = string.format('%.0f %s', now, table.concat(words, ' '))
  local fates = {}
  for id in pairs(incoming.seen) do
    if since or is_chosen(id) then
      fates[#fates + 1] = '!' .. id
      fates[#fates + 1] = fate
    end
  end
  if #fates > 0 then
    touch(gone_key(math.floor(now / 60000)))
    write_gone(fates)
  end
end
