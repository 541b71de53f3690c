-- Claiming: a job that comes in takes its unique key, or meets the owner of it.

-- Reads: the owner of a key, if it is there still: another job may have come under its id since.
local function owner_of(here)
  local owner = here.owner and job_at(here.owner)
  if not owner then return nil end
  local _, _, _, words = spec_place(owner.spec)
  return words ~= '' and read_unique(words) == here.name and owner or nil
end

-- The state that counts for the key of an owner: one that waits for the rest of its batch is on its way to another.
local function state_of(owner)
  local run = owner.run
  if run.state ~= 'b' or string.sub(run.holder, 1, 2) == 'u/' then return run.state end
  return run.due > now and 'd' or 'w'
end

-- Reads: what becomes of a job that is to be in `state` from `due` on. Nil: it is made, and 'follows': it is made, and
-- waits for the end of the owner. Else it is not made: 'existing', or 'replaced' if its data went to another; and the id
-- of that one.
local function claim(words, id, spec, state, due)
  local key, wish = read_unique(words)
  local here = unique_key(key)
  local owner = owner_of(here)
  if here.owner and includes(wish.states, owner and state_of(owner) or 'g') then
    local newest = owner
    if wish.mode == 'k' and has_started(owner) then
      newest = here.follower and job_at(here.follower)
      if not newest then
        set_follower(here, id)
        return 'follows', here.name
      end
    end
    if wish.mode == 's' or has_started(newest) then return 'existing', here.owner, wish.insists end
    -- it came when it came, and its limits count from now
    local its_spec = string.sub(newest.spec, 1, 9) .. string.sub(with_moments(spec), 10)
    regroup(newest.spec, its_spec)
    amend(newest, its_spec, newest.run.state == 'b' and 'b' or state, due)
    watch_limits(newest.id, its_spec, newest.run)
    return 'replaced', newest.id
  end
  if includes(wish.states, state) then take_key(here, id, wish.ms) end
  return nil
end

-- Reads: a job that runs again by hand takes its key again. Returns the owner that stands in its way, if one does. The
-- period of a key is one for jobs that come in.
local function claim_again(words, id, spec, run)
  local key, wish = read_unique(words)
  local here = unique_key(key)
  if here.owner == id or not includes(wish.states, 'w') or includes(wish.states, 'g') then return nil end
  local owner = owner_of(here)
  if here.owner and includes(wish.states, owner and state_of(owner) or 'g') then return here.owner end
  take_key(here, id, wish.ms)
  unstarted[id] = { id = id, spec = spec, run = run }
  return nil
end
