-- Waking: the script that makes work ready wakes one idle member (worker, scheduler, monitor) by a word in its inbox.
-- A member that serves every queue is idle under '*'; a line of suspects is served under '!…' and '!*'.
-- The field 'idle' of a worker is '1' as long as it stands in the idle sets of its lines.
local woken, sought = {}, {}
local busy = nil
local LONGEST_INBOX = 1000

local function idle_key(line)
  return base .. 'idle:' .. line
end

local function inbox_key(member)
  return base .. 'inbox:' .. member
end

local function member_key(member)
  return base .. 'member:' .. member
end

local function held_key(member)
  return base .. 'held:' .. member
end

local function any_line(line)
  local kind = string.sub(line, 1, 1)
  if kind == '@' then return nil end
  return kind == '!' and '!*' or '*'
end

-- Reads what will be written when a member of these lines is idle, or is not any more.
local function touch_idle(lines)
  for line in string.gmatch(lines, '%S+') do touch(idle_key(line)) end
end

-- Reads the lines of a member that will not be idle any more.
local function lines_of(member)
  local lines = redis.call('HGET', member_key(member), 'lines') or ''
  touch_idle(lines)
  return lines
end

local function not_idle(member, lines)
  for line in string.gmatch(lines, '%S+') do redis.call('SREM', idle_key(line), member) end
end

-- Reads: chooses an idle member with a living lease for this line, to be woken by write_wakes; never the `busy` one.
-- One is enough for a line; for a `purpose` of its own it is another one, of those that are `fit` for it.
local function choose_idle(line, purpose, fit)
  purpose = purpose or line
  if sought[purpose] then return end
  sought[purpose] = true
  local any = any_line(line)
  local unders = { line, any }
  if any then
    local number = redis.call('EXISTS', idle_key(line), idle_key(any))
    if number == 0 then return end
    -- where all that are idle are of one kind, it is those who serve every queue more often than not
    if number == 1 then unders = { any, line } end
  end
  for _, under in ipairs(unders) do
    for _, member in ipairs(redis.call('SRANDMEMBER', idle_key(under), fit and 16 or 4)) do
      local lease = member ~= busy and redis.call('ZSCORE', leases_key, member)
      if lease and tonumber(lease) >= now and (not fit or fit(member)) then
        touch(inbox_key(member))
        woken[purpose] = { member = member, lines = lines_of(member) }
        return
      end
    end
  end
end

-- Reads: chooses a second one, where nothing else may come behind this wake-up for long: one that was killed is idle until
-- its lease ends.
local function choose_another(line)
  local first = woken[line]
  if first then choose_idle(line, line .. ' again', function(member) return member ~= first.member end) end
end

-- Writes a word into an inbox that nobody may be listening to. The last one that has room stands for those that have none.
local function leave_word(member, word)
  local inbox = inbox_key(member)
  local length = redis.call('RPUSH', inbox, word)
  if length == LONGEST_INBOX then
    redis.call('LSET', inbox, -1, 'look')
  elseif length > LONGEST_INBOX then
    redis.call('RPOP', inbox)
  end
end

local function write_wakes()
  local told = {}
  for _, choice in pairs(woken) do
    if not told[choice.member] then
      told[choice.member] = true
      not_idle(choice.member, choice.lines)
      redis.call('HSET', member_key(choice.member), 'idle', '0')
      leave_word(choice.member, 'wake')
    end
  end
end
