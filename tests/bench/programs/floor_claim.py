"""The floor of a queue that loses nothing: one script acknowledges the last batch and claims the next, 100 jobs at a
time, each with a deadline. No states, no results, no fences, nobody who looks for lost jobs."""

from __future__ import annotations

import asyncio
import os
import sys

import orjson
import uvloop
from floor_pop import BATCH, Producer, handle
from producer import main
from redis.asyncio import Redis

CLAIM = """
if #ARGV > 2 then redis.call('ZREM', KEYS[2], unpack(ARGV, 3)) end
local jobs = redis.call('LPOP', KEYS[1], ARGV[1])
if not jobs then return {} end
local claims = {}
for i, job in ipairs(jobs) do claims[2 * i - 1], claims[2 * i] = ARGV[2], job end
redis.call('ZADD', KEYS[2], unpack(claims))
return jobs
"""
IDLE_S = 0.001


async def work() -> None:
    """Claims, runs and acknowledges, for ever."""
    redis = Redis.from_url(os.environ["BENCH_URL"], protocol=3)
    script = await redis.script_load(CLAIM)
    claimed: list[bytes] = []
    while True:
        claimed = await redis.evalsha(script, 2, "jobs", "claimed", BATCH, 2_000_000_000, *claimed)
        if not claimed:
            await asyncio.sleep(IDLE_S)
        for payload in claimed:
            await handle(orjson.loads(payload))


if __name__ == "__main__":
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(work()) if sys.argv[1] == "work" else main(Producer())
