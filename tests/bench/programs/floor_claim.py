"""The floor of a queue that loses nothing: the least that any worker must do, 100 jobs at a time.

One script acknowledges the last batch, each job by its id, and claims the next with a deadline: until it is
acknowledged a job stays where somebody who looks for overdue claims would find it. The worker reads each job, finds the
handler of its type and awaits it. No states, no attempts, no results, no fences, nobody who looks for lost jobs.
"""

from __future__ import annotations

import asyncio
import os
import sys
from itertools import count
from typing import Any

import orjson
import uvloop
from floor_pop import BATCH, handle
from producer import main
from redis.asyncio import Redis

ID = 16
CLAIM = f"""
if #ARGV > 2 then
  redis.call('HDEL', KEYS[2], unpack(ARGV, 3))
  redis.call('ZREM', KEYS[3], unpack(ARGV, 3))
end
local jobs = redis.call('LPOP', KEYS[1], ARGV[1])
if not jobs then return {{}} end
local deadline = redis.call('TIME')[1] + ARGV[2]
local claims, deadlines = {{}}, {{}}
for i, job in ipairs(jobs) do
  local id = string.sub(job, 1, {ID})
  claims[2 * i - 1], claims[2 * i] = id, job
  deadlines[2 * i - 1], deadlines[2 * i] = deadline, id
end
redis.call('HSET', KEYS[2], unpack(claims))
redis.call('ZADD', KEYS[3], unpack(deadlines))
return jobs
"""
LEASE_S = 20
IDLE_S = 0.001
HANDLERS = {"load": handle}


class Producer:
    """Pushes jobs: an id, and what is to be done."""

    CHUNK = 1_000

    async def open(self) -> None:
        self._redis = Redis.from_url(os.environ["BENCH_URL"], protocol=3)
        self._own, self._numbers = os.urandom(4).hex(), count()

    async def one(self, payload: dict[str, Any]) -> None:
        await self._redis.rpush("jobs", self._job(payload))

    async def many(self, payloads: list[dict[str, Any]]) -> None:
        await self._redis.rpush("jobs", *map(self._job, payloads))

    async def close(self) -> None:
        await self._redis.aclose()

    def _job(self, payload: dict[str, Any]) -> bytes:
        return f"{self._own}{next(self._numbers):08x}".encode() + orjson.dumps({"type": "load", "data": payload})


async def work() -> None:
    """Claims, runs and acknowledges, for ever."""
    redis = Redis.from_url(os.environ["BENCH_URL"], protocol=3)
    script = await redis.script_load(CLAIM)
    keys = ("jobs", "claimed", "deadlines")
    done: list[bytes] = []
    while True:
        claimed = await redis.evalsha(script, len(keys), *keys, BATCH, LEASE_S, *done)
        if not claimed:
            await asyncio.sleep(IDLE_S)
        for job in claimed:
            said = orjson.loads(job[ID:])
            await HANDLERS[said["type"]](said["data"])
        done = [job[:ID] for job in claimed]


if __name__ == "__main__":
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(work()) if sys.argv[1] == "work" else main(Producer())
