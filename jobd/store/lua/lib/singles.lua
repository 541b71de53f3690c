-- Singles: lanes of one job each, whose key is one group, order or concurrency key, where there are no rules. There may be as
-- many of these as jobs. So they are not visited one by one (lib/visits.lua), but read and judged together. A lane
-- that is not of this form, or whose gate is closed, is visited.
local ANY, CONCURRENCY, GROUP = 42, 99, 103

-- The lanes that may be such, what they have read in common, and the others with the ids that were read of them.
local function find_singles(line, lanes, priority)
  local byte, find, sub = string.byte, string.find, string.sub
  local some, rest = { lanes = {}, lists = {}, homes = {}, ids = {}, names = {}, limits = {}, shared = {} }, { ids = {} }
  local key_at, lists, orders = #tostring(priority) + 2, lane_key(line.name, ''), 'o/' .. plain(line.queue) .. '/'
  for _, lane in ipairs(lanes) do
    local at, name, limit, ids = byte(lane) == ANY and 3 or key_at, nil, nil, nil
    local letter = byte(lane, at)
    if letter == GROUP then
      name = ''
    elseif letter == ORDER then
      name = orders .. sub(lane, at + 2)
    elseif letter == CONCURRENCY then
      local colon = find(lane, ':', at, true)
      if colon then name, limit = 'c/' .. sub(lane, at + 2, colon - 1), tonumber(sub(lane, colon + 1)) end
    end
    local list = lists .. lane
    if find(lane, ';', at, true) then
      for shared in string.gmatch(lane, 'c=([^:;]*)') do some.shared['c/' .. shared] = true end
    elseif name then
      ids = redis.call('LRANGE', list, '0', '1')
    end
    if ids and #ids == 1 then
      local n = #some.ids + 1
      some.lanes[n], some.lists[n], some.homes[n], some.ids[n] = lane, list, sub(lane, at), ids[1]
      some.names[n], some.limits[n] = name, limit or false
    else
      rest[#rest + 1], rest.ids[#rest + 1] = lane, ids or false
    end
  end
  return some, rest
end

-- Takes the jobs of such lanes. Returns the other lanes, with the ids that were read of them. Whoever shares a gate with a
-- lane that is visited comes after it: nobody passes it again and again.
local function serve_singles(line, lanes, priority)
  local some, rest = find_singles(line, lanes, priority)
  local ids, names, limits = some.ids, some.names, some.limits
  if #ids == 0 then return rest end
  local specs = redis.call('HMGET', jobs_key, unpack(ids))
  local runs = redis.call('HMGET', runs_key, unpack(ids))
  local held = redis.call('HMGET', holds_key, unpack(names))
  local visit, emptied, gone, placed = { line = line, urgency = priority, taken = 0 }, line.emptied, line.gone, line.held
  for i, id in ipairs(ids) do
    local spec, name, lane, limit, head, unique, wish = specs[i], names[i], some.lanes[i], limits[i], nil, nil, nil
    -- how many hold a place with this one, where there is a limit
    local number = limit and tonumber(held[i] or 0) + 1
    visit.home = some.homes[i]
    if spec and not (runs[i] or taken.seen[id] or gates[name] or some.shared[name])
      and (limit and number <= limit or not (limit or held[i] and name ~= '')) then
      head, unique, wish = kind_of(visit, spec)
    end
    if head then
      take(id, spec, nil, head, unique and holds_with(name, unique, wish, id) or name)
      looks = looks + 1
      emptied[#emptied + 1], gone[#gone + 1] = some.lists[i], lane
      if name == '' then
        count_group(line.queue, visit.home, -1)
      else
        gates[name] = number or id
        placed[#placed + 1], placed[#placed + 2] = name, gates[name]
        if number and number < limit then line.roomy[#line.roomy + 1] = { name = name, room = limit - number } end
      end
    else
      rest[#rest + 1], rest.ids[#rest + 1] = lane, { id }
    end
  end
  return rest
end
