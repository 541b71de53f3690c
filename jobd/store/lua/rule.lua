#!lua flags=allow-oom
-- Sets what limits or pauses a queue, type, key or group, or takes it back; what waits before its gate is looked at anew.
-- KEYS: jobs counts ready ready_solo leases delayed rules holds rates pauses opens
-- ARGV: gate, rule (JSON; '' takes it back), until when it is paused (ms; '' if it is not, or has no end)
-- Returns: what the rule was before (JSON; '' if there was none)
-- include: head spec run count wake delay rules gates place

local name, rule, paused_until = ARGV[3], ARGV[4], tonumber(ARGV[5])
local before = redis.call('HGET', rules_key, name) or ''
-- a rule that begins or ends is one that the indexes have to know of
any_rules, rules[name] = true, rule ~= '' and cjson.decode(rule) or false
reopen(name, 100)
if paused_until then open_at(name, paused_until) end
-- those that are not reopened here come when the scheduler looks
if redis.call('ZCARD', gated_key(name)) > 100 then open_at(name, now) end

if rule == '' then redis.call('HDEL', rules_key, name) else redis.call('HSET', rules_key, name, rule) end
if paused_until then
  redis.call('HSET', pauses_key, name, string.format('%.0f', paused_until))
else
  redis.call('HDEL', pauses_key, name)
end
write_delays()
write_opened()
write_wakes()
return before
