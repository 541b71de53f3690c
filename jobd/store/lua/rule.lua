#!lua flags=allow-oom
-- Changes what limits or pauses a queue, type, key or group, and the options of a queue's jobs; what waits before its
-- gate is looked at anew.
-- KEYS: jobs ready ready_solo leases delayed rules pauses gated_gates opens
-- ARGV: gate, layer ('declared' or 'set'), '1' if nothing else of this layer is kept, changes (JSON, null takes back)
-- Returns: 'ok'
-- include: head spec run count wake delay rules gates place

local name, layer, changes = ARGV[3], ARGV[4], cjson.decode(ARGV[6])
local raw = redis.call('HGET', rules_key, name)
local stored = raw and cjson.decode(raw) or {}
local fields = ARGV[5] ~= '1' and stored[layer] or {}
for field, value in pairs(changes) do
  if value == cjson.null then fields[field] = nil else fields[field] = value end
end
stored[layer] = next(fields) and fields or nil
stored.edition = nil
local options = {}
for field, value in pairs(merged(stored) or {}) do
  if string.sub(field, 1, 7) == 'option.' then options[#options + 1] = field .. '=' .. value end
end
table.sort(options)
if #options > 0 then stored.edition = string.sub(redis.sha1hex(table.concat(options, ' ')), 1, 12) end
-- a rule that begins or ends is one that the indexes have to know of
local were_pauses = is_any_paused()
any_rules, rules[name] = true, merged(stored)
local paused = rules[name] and rules[name].paused
local paused_until = paused and paused.until_ms
any_pauses = were_pauses or paused_until ~= nil
reopen(name, 100)
local queue = string.match(name, '^q/(.*)$')
if queue and redis.call('EXISTS', gated_key('groups/' .. queue)) == 1 then open_at('groups/' .. queue, now) end
if paused_until then open_at(name, paused_until) end
-- those that are not reopened here come when the scheduler looks
if redis.call('ZCARD', gated_key(name)) > 100 then open_at(name, now) end

if next(stored) then redis.call('HSET', rules_key, name, cjson.encode(stored)) else redis.call('HDEL', rules_key, name) end
if paused_until then
  redis.call('HSET', pauses_key, name, string.format('%.0f', paused_until))
elseif changes.paused or (ARGV[5] == '1' and layer == 'set') then
  redis.call('HDEL', pauses_key, name)
end
write_delays()
write_opened()
write_wakes()
return 'ok'
