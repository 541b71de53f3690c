-- Removing jobs whose retention has ended.
local removed, removed_logs, removed_progress = {}, {}, {}

-- Reads: a job is to be removed, whose record says that it has more than most.
local function note_more(id, raw, flags, is_new)
  if bit.band(flags, HAS_LOGS) ~= 0 then
    local logs = base .. 'logs:' .. id
    touch(logs)
    removed_logs[#removed_logs + 1] = logs
  end
  if bit.band(flags, HAS_PROGRESS) ~= 0 then removed_progress[#removed_progress + 1] = id end
  if bit.band(flags, HOLDS) ~= 0 then
    for words in string.gmatch(read_run(raw).holds, 'u/(%S+)') do leave_key(words, id, 'g') end
  elseif is_new then
    -- it ends in this script and was never delivered: only its spec says what makes it unique
    local spec = redis.call('HGET', jobs_key, id)
    if spec then
      local _, _, _, unique = spec_place(spec)
      if unique ~= '' then leave_key(unique, id, 'g') end
    end
  end
end

-- Reads: these jobs are to be removed. The records of those that were handed over together are the same.
local function remove(ids)
  if #ids == 0 then return end
  local before = #removed
  if before == 0 then touch(gone_key(math.floor(now / 60000))) end
  local runs = redis.call('HMGET', runs_key, unpack(ids))
  local last, flags, is_new, has_more = nil, 0, true, true
  for i = 1, #ids do
    local id, raw = ids[i], runs[i]
    removed[before + i] = id
    if raw ~= last then
      last, flags, is_new = raw, 0, true
      if raw then flags, is_new = string.byte(raw, 3) or 0, string.sub(raw, 7, 8) == '\0\0' end
      has_more = is_new or bit.band(flags, HAS_LOGS + HAS_PROGRESS + HOLDS) ~= 0
    end
    if has_more then note_more(id, raw, flags, is_new) end
  end
end

-- Writes. Jobs of a batch that was given up never were real: nothing is to remember them, they may come again.
local function write_removed(never_were)
  if #removed == 0 then return end
  redis.call('HDEL', jobs_key, unpack(removed))
  redis.call('HDEL', runs_key, unpack(removed))
  if never_were then return end
  redis.call('HDEL', results_key, unpack(removed))
  if #removed_progress > 0 then redis.call('HDEL', progress_key, unpack(removed_progress)) end
  if #removed_logs > 0 then redis.call('UNLINK', unpack(removed_logs)) end
  local gone, at = {}, string.format('%.0f', now)
  for i = 1, #removed do gone[2 * i - 1], gone[2 * i] = removed[i], at end
  write_gone(gone)
end
