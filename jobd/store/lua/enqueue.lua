#!lua
-- Takes jobs in, all of them or none. Those of a batch are blocked until the rest of it has come. Refused up front when
-- the server has no memory for them.
-- KEYS: jobs runs delayed counts ready ready_solo leases stages rules holds rates pauses gated_gates opens uniques periods followers expiring answers answered grouped
-- ARGV: deadline (us), when it was first sent (us), '1' if this is a repeat, batch ('' for none) and its deadline (ms),
--       the name under which the answer is kept ('' if it is not; that of a batch is kept by commit.lua), digest of the
--       request, place of each job in the answer (with ',' between), how many shards the sender knows of, then as in
--       intake.lua
-- Returns: {'ok', for those that were not made: position, or 'position what id' by their unique keys (lib/claim.lua) …},
--          {'unique', its id, id of the owner} if one refuses all, {'full', queue, its size, how many are in it} if a queue
--          does, with the group behind if one of its groups does,
--          {'grown', how many shards there are} if the sender knows of another number,
--          {'expired', '1' if this is a repeat}, {'changed', queue, its rule, …} if the options of these queues are
--          others than those by which their jobs were made, or what was answered under that name before, as in
--          lib/answers.lua
-- Moves: – → waiting, delayed, blocked; waiting → delayed; delayed → waiting; blocked → waiting, delayed
-- include: head spec run count wake delay rules groups unique gates place unstarted limits gone claim intake answers

-- A queue that would come over its size by what has been read: nothing is taken in then.
local function full_queue()
  if any_rules == false then return nil end
  local more = {}
  for _, state in ipairs({ 'w', 'd', 'b' }) do
    for queue, change in pairs(tally[state] or {}) do more[queue] = (more[queue] or 0) + change end
  end
  for queue, change in pairs(more) do
    local rule = change > 0 and queue_rule(queue)
    if rule and rule.size then
      local size = 0
      for _, count in ipairs(redis.call('HMGET', counts_key, 'w:' .. queue, 'd:' .. queue, 'b:' .. queue)) do
        size = size + tonumber(count or 0)
      end
      if size + change > rule.size then return { 'full', queue, rule.size, size } end
    end
  end
end

-- A store that has grown takes jobs from those alone who know where they belong now. What an earlier sending has brought
-- is here, and this its repeat.
local function outgrown(since)
  local fence = rule_of('#')
  if not fence or fence.shards == tonumber(ARGV[11]) then return nil end
  local at = 13
  for _ = 1, since and tonumber(ARGV[12]) or 0 do
    for i = 1, tonumber(ARGV[at + 4]) do
      local id = ARGV[at + 3 + 2 * i]
      local is_here = redis.call('HEXISTS', jobs_key, id) == 1
      if is_here or gone_at(id) >= since or gone_at('!' .. id) >= since then return nil end
    end
    at = at + 5 + 2 * tonumber(ARGV[at + 4])
  end
  return { 'grown', fence.shards }
end

local sent = tonumber(ARGV[4])
local stage = ARGV[6] ~= '' and ARGV[6] or nil
local name, digest, places = ARGV[8], ARGV[9], ARGV[10]
local before = answer_before(name)
if before then return before end
if now_us > tonumber(ARGV[3]) then return { 'expired', ARGV[5] } end
-- what was long on its way may come behind its own repeat
local since = (ARGV[5] == '1' or now_us - sent > 2000000) and math.floor(sent / 1000) or nil
local other_number = outgrown(since)
if other_number then return other_number end
local list = stage and base .. 'stage:' .. stage
if list then touch(list) end
local state = stage and redis.call('HGET', stages_key, stage)
take_in(12, nil, stage, since)
-- an earlier sending may have made all of them, by what held then
local is_new = ARGV[5] ~= '1' or #incoming.specs + #incoming.fates + #amended > 0 or incoming.refused
local changed = is_new and changed_queues(12)
if changed then return changed end
local refused = incoming.refused or full_queue() or full_group()
if refused then
  write_refusal(refused, since)
  return refused
end
reopen_freed({})

-- What became of each job and its id, in these places.
local function answer_in(places)
  local words, at, position = {}, 13, 0
  local next_place = string.gmatch(places, '%d+')
  local where = {}
  for _ = 1, tonumber(ARGV[12]) do
    for i = 1, tonumber(ARGV[at + 4]) do
      position = position + 1
      where[position] = tonumber(next_place()) + 1
      words[where[position]] = 'created ' .. ARGV[at + 3 + 2 * i]
    end
    at = at + 5 + 2 * tonumber(ARGV[at + 4])
  end
  for _, known in ipairs(incoming.known) do
    local its_position, fate = string.match(known, '^(%d+) ?(.*)$')
    local place = where[tonumber(its_position)]
    words[place] = fate ~= '' and fate or string.gsub(words[place], '^created', 'existing')
  end
  return words
end

write_intake()
write_fates(since)
write_many('RPUSH', list, incoming.staged)
-- each part of a batch gives it time for the next
if (state and tonumber(state)) or (not state and #incoming.staged > 0) then
  redis.call('HSET', stages_key, stage, ARGV[7])
end
write_freed()
write_keys()
write_delays()
write_places()
write_amended()
write_opened()
write_counts()
write_groups()
write_wakes()
if name ~= '' and not stage then keep_answer(name, digest, answer_in(places)) end
return { 'ok', unpack(incoming.known) }
