-- A job's spec: what never changes by running it. One string:
--   version B, created d (ms), flags B, key id B, priority B, max attempts H, timeout I (ms), length of options I,
--   length of queue B, length of type B, queue, type, [length of keys H, keys,] [expiry d, deadline d, queue timeout d
--   (ms), when it may run d,] options (JSON), payload (opaque)
-- The script that takes a job in puts the version and its own time in front; the rest comes packed (store/codec.py).
-- Keys, in a job that has any, are its lane key, what makes it unique, and what it counts against rates if that is more
-- than 1, with spaces between (lib/gates.lua, lib/unique.lua). Moments of limits are in ms since 1970, or if negative so many ms after its creation; 0 means none.
local KEYED, FRONT, LIMITED, KEPT = 1, 2, 4, 8

local function stamp()
  return struct.pack('>Bd', 1, now)
end

-- The lane key of a job, what makes it unique, and what it counts against rates ('' for most).
local function spec_keys(spec)
  if bit.band(string.byte(spec, 10) or 0, KEYED) == 0 then return '', '', '' end
  local queue_length, type_length = string.byte(spec, 23, 24)
  local at = 25 + queue_length + type_length
  local length = struct.unpack('>H', spec, at)
  local words = string.sub(spec, at + 2, at + 1 + length)
  if not string.find(words, ' ', 1, true) then return words, '', '' end
  return string.match(words, '^(%S*) ?(%S*) ?(%d*)$')
end

-- What a job counts against rates.
local function spec_weight(spec)
  local _, _, weight = spec_keys(spec)
  return tonumber(weight) or 1
end

-- What the specs of one kind have in common: flags, priority, timeout, queue and type. It is read once a kind, and kept
-- from call to call, as there are few. In all versions it stands in the same place. A record that is damaged has the
-- head of a job that stands nowhere.
local heads, head_count
local MOST_KINDS = 1000

local function nowhere()
  return { text = '', flags = 0, priority = 10, timeout = 0, queue = '', type = '', keyed = false, limited = false, kept = false }
end

-- Is all there that should stand between the type and the options?
local function is_whole(spec, head, at)
  if head.keyed then
    local high, low = string.byte(spec, at, at + 1)
    if not low then return false end
    at = at + 2 + 256 * high + low
  end
  if head.limited then at = at + 32 end
  return #spec >= at - 1
end

local function spec_head(spec)
  local queue_length, type_length = string.byte(spec, 23, 24)
  local ends = type_length and 24 + queue_length + type_length
  if not ends or #spec < ends then return nowhere() end
  local text = string.sub(spec, 10, ends)
  local head = heads and heads[text]
  if not head then
    if not heads or head_count == MOST_KINDS then heads, head_count = {}, 0 end
    head_count = head_count + 1
    local flags, _, priority, _, timeout = struct.unpack('>BBBHI', text)
    head = {
      text = text, flags = flags, priority = priority, timeout = timeout,
      queue = string.sub(text, 16, 15 + queue_length),
      type = string.sub(text, 16 + queue_length),
      keyed = bit.band(flags, KEYED) ~= 0, limited = bit.band(flags, LIMITED) ~= 0, kept = bit.band(flags, KEPT) ~= 0,
    }
    heads[text] = head
  end
  if (head.keyed or head.limited) and not is_whole(spec, head, ends + 1) then return nowhere() end
  return head
end

-- Queue, priority, lane key, and what makes it unique.
local function spec_place(spec)
  local head = spec_head(spec)
  if not head.keyed then return head.queue, head.priority, '', '' end
  return head.queue, head.priority, spec_keys(spec)
end

local function spec_type(spec)
  return spec_head(spec).type
end

-- Does it go to the front of its lane?
local function spec_front(spec)
  return bit.band(string.byte(spec, 10) or 0, FRONT) ~= 0
end

-- Is this type in a list ',a,b,' of types? The names in it have '-' for '_', which are the same.
local function is_among(type, types)
  return string.find(types, ',' .. string.gsub(type, '_', '-') .. ',', 1, true) ~= nil
end

-- Where its limits of time are.
local function limits_at(spec)
  local queue_length, type_length = string.byte(spec, 23, 24)
  local at = 25 + queue_length + type_length
  if bit.band(string.byte(spec, 10), KEYED) ~= 0 then at = at + 2 + struct.unpack('>H', spec, at) end
  return at
end

-- Expiry, deadline, how long it may wait, and when it may run first (all ms, infinite for none); nothing for a job that
-- has no such limit.
local function spec_limits(spec)
  if bit.band(string.byte(spec, 10) or 0, LIMITED) == 0 or not spec_head(spec).limited then return end
  local created = struct.unpack('>d', spec, 2)
  local expires, deadline, patience, ready = struct.unpack('>dddd', spec, limits_at(spec))
  if expires <= 0 then expires = expires < 0 and created - expires or math.huge end
  if deadline <= 0 then deadline = deadline < 0 and created - deadline or math.huge end
  return expires, deadline, patience > 0 and patience or math.huge, ready > 0 and math.max(ready, created) or created - ready
end

-- Its limits of time as they are written; '' if it has none.
local function limit_words(spec)
  local at = bit.band(string.byte(spec, 10) or 0, LIMITED) ~= 0 and limits_at(spec)
  return at and string.sub(spec, at, at + 31) or ''
end

-- The same job, whose limits are moments, so that they hold also for one that was made at another time.
local function with_moments(spec)
  local expires, deadline, patience, ready = spec_limits(spec)
  if not expires then return spec end
  local at, limits = limits_at(spec), { expires, deadline, patience, ready }
  for i = 1, 3 do if limits[i] == math.huge then limits[i] = 0 end end
  return string.sub(spec, 1, at - 1) .. struct.pack('>dddd', unpack(limits)) .. string.sub(spec, at + 32)
end

-- The options of a job (JSON).
local function spec_options(spec)
  local flags, length = string.byte(spec, 10), struct.unpack('>I', spec, 19)
  local at = limits_at(spec)
  if bit.band(flags, LIMITED) ~= 0 then at = at + 32 end
  return string.sub(spec, at, at + length - 1)
end
