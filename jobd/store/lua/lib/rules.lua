-- Rules: what limits or pauses a queue ('q/<queue>'), a type ('t/<type>'), a key ('c/…', 'r/…') or a group
-- ('g/<queue>/<group>'), as JSON: 'declared' by the configuration, and 'set' at run time, which wins. Where there are none
-- at all, and nothing is paused until a time, they cost one command a script. The rule of a queue also has the options
-- of its jobs, as 'option.<name>', for those who enqueue them: their `edition` is another whenever these are.
local any_rules, any_pauses, rules = nil, nil, {}

-- Reads whether there are any of both.
local function look_for_rules()
  local any = redis.call('EXISTS', rules_key, pauses_key)
  any_rules = any == 2 or (any == 1 and redis.call('EXISTS', rules_key) == 1)
  any_pauses = any == 2 or (any == 1 and not any_rules)
end

-- Is any gate closed until a time?
local function is_any_paused()
  if any_pauses == nil then look_for_rules() end
  return any_pauses
end

-- A name in which '_' and '-' are the same.
local function plain(name)
  return string.find(name, '_', 1, true) and string.gsub(name, '_', '-') or name
end

local function merged(stored)
  local rule = {}
  for _, layer in ipairs({ 'declared', 'set' }) do
    for field, value in pairs(stored[layer] or {}) do rule[field] = value end
  end
  if not next(rule) then return false end
  rule.edition = stored.edition
  return rule
end

local function rule_of(name)
  if any_rules == nil then look_for_rules() end
  if not any_rules then return nil end
  if rules[name] == nil then
    local raw = redis.call('HGET', rules_key, name)
    rules[name] = raw and merged(cjson.decode(raw)) or false
  end
  return rules[name] or nil
end

local function queue_rule(queue)
  if any_rules == false then return nil end
  return rule_of('q/' .. plain(queue))
end
