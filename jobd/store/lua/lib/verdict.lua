-- Verdicts: what becomes of deliveries when they are settled. It is the same for all whose records have the same front, but
-- for what each takes up and for its history.
local verdicts = {}

-- What the job of a delivery takes up at gates, and where in its record the history begins.
local function read_holds(delivery, raw)
  local at = #delivery.front + 1
  if not delivery.takes_up or #raw <= at then return '', at end
  local behind = at + 2 + struct.unpack('>H', raw, at)
  return string.sub(raw, at + 2, behind - 1), behind
end

-- The front of a record with the state completed, now as its end, and nothing that it takes up.
local function completed_front(front)
  local flags = bit.band(string.byte(front, 3), bit.bnot(HOLDS))
  return string.sub(front, 1, 1) .. 'c' .. string.char(flags) .. string.sub(front, 4, 24) .. struct.pack('>d', now)
    .. string.sub(front, 33)
end

-- The record of a delivery that is completed, with the holds that it keeps, and its history, which begins at `behind`.
local function completed_run(delivery, raw, holds, behind)
  delivery.completed = delivery.completed or completed_front(delivery.front)
  return whole_run(delivery.completed, holds, string.sub(raw, behind))
end

local function due_of(words)
  return string.sub(words, 1, 1) == '+' and now + tonumber(string.sub(words, 2)) or tonumber(words)
end

-- A verdict and its marks, read once.
local function read_verdict(words)
  local known = verdicts[words]
  if not known then
    local function has_mark(mark) return string.find(words, mark, 2, true) ~= nil end
    known = {
      state = string.sub(words, 1, 1), unspent = has_mark('u'), crashed = has_mark('k'), suspect = has_mark('s'),
      begun = not has_mark('n'), holds_rate = has_mark('l'),
    }
    verdicts[words] = known
  end
  return known
end

-- A verdict on a delivery, but for what its job takes up and remembers; `spec` is needed where its rate is to hold.
local function judge(run, verdict, due, spec)
  local state = verdict.state
  if verdict.unspent then run.attempt = run.attempt - 1 end
  if verdict.crashed then run.crashes = math.min(run.crashes + 1, 255) end
  if verdict.suspect then
    run.flags = bit.bor(run.flags, SUSPECT)
  elseif state == 'd' then
    -- its attempt came to an orderly end, in a process of its own if it was a suspect: it is none any more
    run.flags, run.crashes = bit.band(run.flags, bit.bnot(SUSPECT)), 0
  end
  if verdict.holds_rate and not hold_rate(spec, due) then state = 'd' end
  if has(run, CANCEL_ASKED) and (state == 'd' or state == 'w') then state = 'x' end
  if verdict.begun or state ~= 'w' then run.finished = now end
  if state == 'd' then run.due = due end
  run.state = state
end

-- What the same verdict makes of all deliveries with the same front: their run, its front, and what the line of the
-- attempt begins with.
local function judged(delivery, verdict, words, due)
  delivery.judged = delivery.judged or {}
  local name = words .. due
  local here = delivery.judged[name]
  if not here then
    local run = read_run(delivery.front)
    here = { run = run, attempt = attempt_words(run, now) }
    judge(run, verdict, due_of(due))
    here.front = write_run(run)
    delivery.judged[name] = here
  end
  return here
end
