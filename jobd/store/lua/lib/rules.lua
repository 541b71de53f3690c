-- Rules: what settings and operators say of a queue ('q/<queue>'), a type ('t/<type>'), a key ('c/…', 'r/…') or a group
-- ('g/<queue>/<group>'), as JSON made by store/rules.py. Where there are none at all, they cost one command a script.
local any_rules, rules = nil, {}

local function rule_of(name)
  if any_rules == nil then any_rules = redis.call('HLEN', rules_key) > 0 end
  if not any_rules then return nil end
  if rules[name] == nil then
    local raw = redis.call('HGET', rules_key, name)
    rules[name] = raw and cjson.decode(raw) or false
  end
  return rules[name] or nil
end
