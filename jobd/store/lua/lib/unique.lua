-- Unique keys: a key belongs to one job at a time. What makes a job unique stands in its spec as 'key:mode:states:ms':
--   key     names what is compared (domain/unique.py)
--   mode    s  a job that finds the key taken is not made
--           r  it gives its data, priority and time to the owner, if that has not started yet
--           k  as r; if the owner has started, it waits, blocked, for the end of that, once, with the newest data
--           with ! behind it: a job that is not made refuses all that came in the same call
--   states  in which an owner keeps the key, and in which it stands in the way; g is 'removed'
--   ms      how long the owner keeps the key at most; 0: as long as it is in these states
-- 'uniques' has of each key its owner, since when, until when (ms; 0: no end), and the job that follows the owner;
-- 'followers' has these.
-- An owner that leaves its states gives the key up in the same script, and nobody else gives it up. One that is followed
-- keeps it until it has ended, no longer and no shorter.
local keys, key_order = {}, {}
-- Those that have left: of each in turn the key, its job, and whether that is in a state in which an owner keeps it.
local left_keys, left_ids, left_stays = {}, {}, {}
-- Keys that are free since, of which nothing else is to be known.
local freed_keys, freed_names = {}, {}
local followers, followed, wishes = {}, {}, {}
local SPACE = 32
-- The states into which jobs with such keys come in this script.
local states_now = {}
-- Lets a blocked job go on that followed an owner, if it still does; lib/unstarted.lua says how.
local let_follow

-- What is wished of a key, which begins at `colon` in the words: jobs of a type wish the same, which is read once.
local function wish_of(words, colon)
  local wish = string.sub(words, colon or string.find(words, ':', 1, true))
  local known = wishes[wish]
  if not known then
    local mode, insists, states, ms = string.match(wish, '^:(%l)(!?):(%l*):(%d+)$')
    known = { words = wish, mode = mode, insists = insists ~= '', states = states, ms = tonumber(ms), at = {} }
    wishes[wish] = known
  end
  return known
end

-- The key, and what is wished of it.
local function read_unique(words)
  local colon = string.find(words, ':', 1, true)
  return string.sub(words, 1, colon - 1), wish_of(words, colon)
end

local function includes(states, state)
  return string.find(states, state, 1, true) ~= nil
end

local function note_key(name, raw)
  local here = { name = name }
  if raw then
    local owner, since, ends, follower = string.match(raw, '^(%S+) (%d+) (%d+) ?(%S*)$')
    here.had_end = ends ~= '0'
    if ends == '0' or tonumber(ends) > now then
      here.owner, here.since, here.ends = owner, since, ends == '0' and 0 or tonumber(ends)
      here.follower = follower ~= '' and follower or nil
    end
  end
  keys[name] = here
  key_order[#key_order + 1] = here
  return here
end

local function unique_key(name)
  return keys[name] or note_key(name, not freed_keys[name] and redis.call('HGET', uniques_key, name))
end

local function set_follower(here, id)
  followed[#followed + 1] = here.follower
  if id then
    followers[#followers + 1] = now
    followers[#followers + 1] = id
    here.ends = 0
  end
  here.follower, here.changed = id, true
end

-- The key belongs to this job from now on. Whoever followed another owner has nothing to wait for.
local function take_key(here, id, ms)
  if here.follower then let_follow(here.follower, here.name) end
  set_follower(here, nil)
  here.owner, here.since, here.ends = id, string.format('%.0f', now), ms > 0 and now + ms or 0
end

-- What it means for a key that its job comes into a state: is it left, does the job stay in states in which an owner
-- keeps it, and is its record to remember what makes it unique?
local function coming_into(wish, state)
  local here = wish.at[state]
  if not here then
    local goes_on, stays = includes('wdba', state), includes(wish.states, state)
    here = {
      leaves = not (stays and goes_on), stays = stays,
      remembers = goes_on or (stays and not includes(wish.states, 'g')),
    }
    wish.at[state] = here
  end
  return here
end

-- Notes that a job comes into a state. True if its record is to remember what makes it unique.
local function leave_key(words, id, state)
  local key, wish = read_unique(words)
  local here = coming_into(wish, state)
  states_now[id] = state
  if here.leaves then
    local n = #left_keys + 1
    left_keys[n], left_ids[n], left_stays[n] = key, id, here.stays
  end
  return here.remembers
end

-- Is this the record of a key without an end and without a follower, which this job has?
local function is_alone(raw, id)
  return string.sub(raw, -3) == ' 0 ' and string.find(raw, id, 1, true) == 1 and string.byte(raw, #id + 1) == SPACE
end

-- Reads: the keys of those that have left are free, or belong to those who followed. Most are had by one job alone, which
-- leaves for good.
local function let_keys_go()
  if #left_keys == 0 then return end
  local others = {}
  for from = 1, #left_keys, 1000 do
    local to = math.min(from + 999, #left_keys)
    local raws = redis.call('HMGET', uniques_key, unpack(left_keys, from, to))
    for i = from, to do
      local name, id, raw = left_keys[i], left_ids[i], raws[i - from + 1]
      if keys[name] then
        others[#others + 1] = i
      elseif raw and not freed_keys[name] then
        if not left_stays[i] and is_alone(raw, id) then
          freed_keys[name] = true
          freed_names[#freed_names + 1] = name
        else
          note_key(name, raw)
          others[#others + 1] = i
        end
      end
    end
  end
  for _, i in ipairs(others) do
    local here = unique_key(left_keys[i])
    if here.follower == left_ids[i] then set_follower(here, nil) end
  end
  for _, i in ipairs(others) do
    local here = unique_key(left_keys[i])
    if here.owner == left_ids[i] and (here.follower or not left_stays[i]) then
      local follower = here.follower
      set_follower(here, nil)
      here.owner = nil
      if follower and let_follow(follower, here.name) then take_key(here, follower, 0) end
    end
  end
  left_keys, left_ids, left_stays = {}, {}, {}
end

local function write_keys()
  -- a key that is free may have been taken anew
  write_many('HDEL', uniques_key, freed_names)
  if #key_order == 0 then return end
  local set, gone, ends, endless = {}, {}, {}, {}
  for _, here in ipairs(key_order) do
    if here.changed then
      if here.owner then
        set[#set + 1] = here.name
        local ends = here.ends == 0 and '0' or string.format('%.0f', here.ends)
        set[#set + 1] = here.owner .. ' ' .. here.since .. ' ' .. ends .. ' ' .. (here.follower or '')
      else
        gone[#gone + 1] = here.name
      end
      if here.owner and here.ends > 0 then
        ends[#ends + 1] = here.ends
        ends[#ends + 1] = here.name
      elseif here.had_end then
        endless[#endless + 1] = here.name
      end
    end
  end
  write_many('HSET', uniques_key, set)
  write_many('HDEL', uniques_key, gone)
  write_many('ZADD', periods_key, ends)
  write_many('ZREM', periods_key, endless)
  write_many('ZADD', followers_key, followers)
  write_many('ZREM', followers_key, followed)
end
