-- A member parts: its traces go when it holds nothing any more.
local parting = {}

-- Reads: this member is to be forgotten.
local function part(member)
  touch(inbox_key(member))
  parting[#parting + 1] = { member = member, lines = lines_of(member) }
end

local function write_partings()
  for _, gone in ipairs(parting) do
    not_idle(gone.member, gone.lines)
    redis.call('ZREM', leases_key, gone.member)
    redis.call('UNLINK', member_key(gone.member), inbox_key(gone.member))
  end
end
