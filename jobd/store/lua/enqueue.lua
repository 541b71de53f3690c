#!lua
-- Takes jobs in, all of them or none. Those of a batch are blocked until the rest of it has come. Refused up front when
-- the server has no memory for them.
-- KEYS: jobs runs delayed counts ready ready_solo leases stages rules holds pauses gated_gates rates opens uniques periods expiring
-- ARGV: deadline (us), when it was first sent (us), '1' if this is a repeat, batch ('' for none) and its deadline (ms),
--       then as in intake.lua
-- Returns: {'ok', for those that were not made: position, or 'position what id' by their unique keys (lib/claim.lua) …},
--          {'unique', position, id} if one refuses all, or {'expired', '1' if this is a repeat}
-- Moves: – → waiting, delayed, blocked; waiting → delayed; delayed → waiting; blocked → waiting, delayed
-- include: head spec run count wake delay rules unique gates place unstarted limits gone claim intake

local sent = tonumber(ARGV[4])
local stage = ARGV[6] ~= '' and ARGV[6] or nil
if now_us > tonumber(ARGV[3]) then return { 'expired', ARGV[5] } end
-- what was long on its way may come behind its own repeat
local since = (ARGV[5] == '1' or now_us - sent > 2000000) and math.floor(sent / 1000) or nil
local list = stage and base .. 'stage:' .. stage
if list then touch(list) end
local state = stage and redis.call('HGET', stages_key, stage)
take_in(8, nil, stage, since)
if incoming.refused then return incoming.refused end
reopen_freed({})

write_intake()
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
write_wakes()
return { 'ok', unpack(incoming.known) }
