-- Kinds: what jobs that wait in a lane, for their first attempt or the next, have in common is read once.
local last_head = nil

-- What makes this job unique, if it is of the kind, whose jobs differ in their keys alone; else nil.
local function unique_of(kind, spec)
  if string.find(spec, kind.wish.words, kind.wish_at, true) ~= kind.wish_at then return nil end
  return string.sub(spec, kind.unique_at, kind.wish_at + #kind.wish.words - 1)
end

-- What a job that waits has in common with its kind, if it stands in this lane, goes on and counts as one; and
-- what makes it unique, with what is wished of that, if anything does. Nothing of others. Most are of the kind of the last
-- one in their lane, or of the last one at all with the keys of their lane, which is seen without a string of their own.
local function kind_of(visit, spec)
  if string.byte(spec) ~= 1 then return nil end
  local last = visit.last
  if last and #spec >= last.least and string.find(spec, last.text, 10, true) == 10 then
    local unique = last.wish and unique_of(last, spec)
    if unique or not last.wish then return last.head, unique, last.wish end
  end
  if visit.type or visit.line.is_solo then return nil end
  local head, home, unique, wish = last_head, visit.home, nil, nil
  if not head or head.limited or string.find(spec, head.text, 10, true) ~= 10 then
    head = spec_head(spec)
    if head.queue ~= visit.line.queue or not goes_on(visit, head.type) then return nil end
    last_head = head
  end
  if head.queue ~= visit.line.queue or head.priority ~= visit.urgency then return nil end
  local text, at = head.text, 10 + #head.text
  if not head.keyed then
    if home ~= '' then return nil end
  else
    local high, low = string.byte(spec, at, at + 1)
    if low and high * 256 + low == #home and string.find(spec, home, at + 2, true) == at + 2 then
      -- of most such lanes no more than one job is taken: for that alone nothing is remembered
      if visit.taken ~= 1 then return head end
      text = string.sub(spec, 10, at + 1 + #home)
    else
      local known, key, words, weight = standing(visit, spec)
      if not known or key ~= home or words == '' or weight ~= '' then return nil end
      unique, wish, text = words, wish_of(words), text .. struct.pack('>H', #key + 1 + #words) .. key .. ' '
    end
  end
  visit.last = {
    head = head, text = text, wish = wish, unique_at = 10 + #text, wish_at = wish and 10 + #text + #unique - #wish.words,
    -- one that is cut off before its limits of time is not of this kind
    least = 9 + #text + (unique and #unique or 0) + (head.limited and 32 or 0),
  }
  return head, unique, wish
end
