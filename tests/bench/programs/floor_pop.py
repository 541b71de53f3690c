"""The floor of a list: jobs are pushed, and popped 100 at a time. No acknowledgement, no state, no result."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import orjson
import uvloop
from producer import main
from redis.asyncio import Redis
from tally import ran

BATCH = 100


class Producer:
    """Pushes payloads."""

    CHUNK = 1_000

    async def open(self) -> None:
        self._redis = Redis.from_url(os.environ["BENCH_URL"], protocol=3)

    async def one(self, payload: dict[str, Any]) -> None:
        await self._redis.rpush("jobs", orjson.dumps(payload))

    async def many(self, payloads: list[dict[str, Any]]) -> None:
        await self._redis.rpush("jobs", *map(orjson.dumps, payloads))

    async def close(self) -> None:
        await self._redis.aclose()


async def handle(payload: dict[str, Any]) -> None:
    """Does nothing but note that it ran."""
    ran(payload["number"])


async def work() -> None:
    """Pops and runs, for ever."""
    redis = Redis.from_url(os.environ["BENCH_URL"], protocol=3)
    while True:
        popped = await redis.lpop("jobs", BATCH)
        if popped is None:
            _, first = await redis.blpop("jobs")
            popped = [first]
        for payload in popped:
            await handle(orjson.loads(payload))


if __name__ == "__main__":
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(work()) if sys.argv[1] == "work" else main(Producer())
