#!lua
-- Writes down how many shards the store has, if what is written there is what the caller has read. In the first shard.
-- KEYS: shards
-- ARGV: what was read ('' for nothing), what is to be written
-- Returns: 1, or 0 if something else is written there
-- include: head

local said = redis.call('GET', shards_key) or ''
if said == ARGV[4] then return 1 end
if said ~= ARGV[3] then return 0 end
redis.call('SET', shards_key, ARGV[4])
return 1
