-- A job's run record: what running it changes. A job without one is waiting and was never delivered.
--   version B, state c1 (w waiting, d delayed, b blocked, a active, c completed, f failed, x cancelled),
--   flags B, crashes B, attempt H, deliveries H, fence d (us), started d, finished d, due d (all ms),
--   length of holder B, length of queue B, holder (of a blocked job: its batch), queue,
--   [length of holds H, holds,] history (JSON, a line for each past attempt or note)
-- The fence of a job that is blocked in a batch is its priority, where nothing but that and its queue says in which lane
-- it will stand, else 0: it is released without a look at its spec.
-- Holds, in a record that has any, are the places that the job takes up at gates, with spaces between (lib/gates.lua).
local SUSPECT, CANCEL_ASKED, HAS_PROGRESS, HAS_LOGS, HOLDS, BY_HAND, KEPT_ITSELF, KEYED_RUN = 1, 2, 4, 8, 16, 32, 64, 128
local LONGEST_HISTORY = 65536
local LARGEST_FENCE = 9007199254740992

-- A record that is damaged is that of a job in no state; a fence that is no number of microseconds is none.
local function read_run(raw)
  if #raw < 42 then raw = struct.pack('>Bc1BBHHddddBB', 1, '?', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0) end
  local version, state, flags, crashes, attempt, deliveries, fence, started, finished, due, holder_length, queue_length =
    struct.unpack('>Bc1BBHHddddBB', raw)
  if not (fence < LARGEST_FENCE) then fence = 0 end
  if #raw < 42 + holder_length + queue_length then state = '?' end
  local queue_at, holds = 43 + holder_length, ''
  local history_at = queue_at + queue_length
  if bit.band(flags, HOLDS) ~= 0 and #raw > history_at then
    local length = struct.unpack('>H', raw, history_at)
    holds = string.sub(raw, history_at + 2, history_at + 1 + length)
    history_at = history_at + 2 + length
  end
  return {
    version = version, state = state, flags = flags, crashes = crashes, attempt = attempt, deliveries = deliveries, fence = fence,
    started = started, finished = finished, due = due,
    holder = string.sub(raw, 43, queue_at - 1),
    queue = string.sub(raw, queue_at, queue_at + queue_length - 1),
    holds = holds, raw = raw,
    history = string.sub(raw, history_at),
  }
end

local function new_run(state, queue)
  return {
    version = 1, state = state, flags = 0, crashes = 0, attempt = 0, deliveries = 0, fence = 0, started = 0, finished = 0, due = 0,
    holder = '', queue = queue, holds = '', history = '',
  }
end

local function write_run(run)
  local flags, holds = bit.band(run.flags, bit.bnot(HOLDS)), ''
  if run.holds ~= '' then flags, holds = flags + HOLDS, struct.pack('>H', #run.holds) .. run.holds end
  return struct.pack('>Bc1BBHHddddBB', run.version, run.state, flags, run.crashes, run.attempt, run.deliveries, run.fence,
    run.started, run.finished, run.due, #run.holder, #run.queue) .. run.holder .. run.queue .. holds .. run.history
end

-- State, fence, holder and queue of a record: its front, which is the same in all that were handed over together for the
-- first time, and is read once. A record that is damaged is that of a delivery which nobody has.
local fronts = {}

local function read_delivery(raw)
  local known = fronts[raw]
  if known then return known end
  if #raw < 42 then return { state = '?', fence = -1, holder = '' } end
  local holder_length, queue_length = string.byte(raw, 41, 42)
  local queue_at = 43 + holder_length
  local front = string.sub(raw, 1, queue_at + queue_length - 1)
  known = fronts[front]
  if not known then
    local flags = string.byte(raw, 3)
    known = {
      front = front, state = string.sub(raw, 2, 2), fence = struct.unpack('>d', raw, 9),
      holder = string.sub(raw, 43, queue_at - 1), queue = string.sub(front, queue_at),
      takes_up = bit.band(flags, HOLDS) ~= 0, kept_itself = bit.band(flags, KEPT_ITSELF) ~= 0,
      is_suspect = bit.band(flags, SUSPECT) ~= 0, is_new = string.sub(raw, 7, 8) == '\0\0',
      by_hand = bit.band(flags, BY_HAND) ~= 0,
      -- named here, for a table that has no room left for more names is made anew
      completed = false, ending = false, judged = false, waiting = false,
    }
    fronts[front] = known
  end
  return known
end

-- A record of this front, which takes up nothing, with what its job takes up and its history.
local fronts_up, lengths = {}, {}

local function whole_run(front, holds, history)
  if holds == '' then return history == '' and front or front .. history end
  local front_up, length = fronts_up[front], lengths[#holds]
  if not front_up then
    front_up = string.sub(front, 1, 2) .. string.char(string.byte(front, 3) + HOLDS) .. string.sub(front, 4)
    fronts_up[front] = front_up
  end
  if not length then
    length = struct.pack('>H', #holds)
    lengths[#holds] = length
  end
  return front_up .. length .. holds .. history
end

local function has(run, flag)
  return bit.band(run.flags, flag) ~= 0
end

-- A history with one more line of JSON, `facts` are more members of it, made by the caller; without its oldest lines
-- when it grows beyond its bound.
local function remembered(history, head, facts)
  local line = '{' .. head .. (facts ~= '' and ',' or '') .. facts .. '}'
  if history ~= '' then line = history .. '\n' .. line end
  while #line > LONGEST_HISTORY do
    local cut = string.find(line, '\n', 1, true)
    if not cut then break end
    line = string.sub(line, cut + 1)
  end
  return line
end

-- The line of a thing that was done to the job at a time.
local function remember_note(run, what, facts)
  run.history = remembered(run.history, string.format('"%s":%.0f', what, now), facts)
end

-- What the line of an attempt that has ended begins with.
local function attempt_words(run, finished)
  return string.format('"number":%d,"started_at":%.0f,"finished_at":%.0f', run.attempt, run.started, finished)
end
