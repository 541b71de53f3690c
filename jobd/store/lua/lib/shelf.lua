-- Shelves: where ended jobs stand, by the time they ended. Each queue has one for each ending; jobs that say themselves
-- how many of their kind are kept, or how long, stand on others: those of one type that say the same on one,
-- 'type/count/ms' in its name. What is kept is bounded when a job ends, but for the last so many: whoever waits for
-- their results may read them until the pruner comes.
local LEAST_KEPT = 1000

-- What the job says itself is kept of its kind: {count, age_ms}; nil for most.
local function own_keep(spec, state)
  if not spec_head(spec).kept then return nil end
  local _, said = pcall(cjson.decode, spec_options(spec))
  -- options that are damaged say nothing
  if type(said) ~= 'table' then return nil end
  return state == 'c' and said.keep_completed or state ~= 'c' and said.keep_failed or nil
end

-- The name of the shelf of a job that ends so, and what the job says is kept there.
local function shelf_of(spec, queue, state)
  local keep = spec and own_keep(spec, state)
  if not keep then return queue .. ':' .. state end
  local count, age = keep.count, keep.age_ms
  local class = (count and string.format('%.0f', count) or '') .. '/' .. (age and string.format('%.0f', age) or '')
  return queue .. ':' .. state .. ':' .. spec_type(spec) .. '/' .. class, keep
end

local function shelf_key(name)
  return base .. 'ended:' .. name
end
