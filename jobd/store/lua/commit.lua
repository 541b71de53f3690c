#!lua
-- Commits a staged batch: from now on all of it will be released.
-- KEYS: stages answers answered
-- ARGV: batch, how many jobs it has (0: only its answer is to be kept), the name under which its answer is kept ('' if it is not), digest of the request,
--       the answer: a word for each job
-- Returns: {'ok'}, {'short'} (not all of it is here, or no more as it was given up), or what was answered under that
--          name before, as in lib/answers.lua
-- include: head answers

local stage, size, name = ARGV[3], tonumber(ARGV[4]), ARGV[5]
local state, words = redis.call('HGET', stages_key, stage), {}
for i = 7, #ARGV do words[i - 6] = ARGV[i] end
-- this is a repeat
if size > 0 and state and not tonumber(state) then return { 'ok' } end
local before = answer_before(name)
if before then return before end
if size > 0 then
  if redis.call('LLEN', base .. 'stage:' .. stage) < size then return { 'short' } end
  redis.call('HSET', stages_key, stage, 'committed')
end
if name ~= '' then keep_answer(name, ARGV[6], words) end
return { 'ok' }
