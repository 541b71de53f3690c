"""SAQ: its worker's settings and its producer."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import uvloop
from redis.asyncio import Redis
from saq.queue.redis import RedisQueue
from tally import ran

asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


async def load(ctx: dict[str, Any], *, number: int, text: str) -> int:
    """Does nothing but note that it ran."""
    ran(number)
    return number


queue = RedisQueue(Redis(unix_socket_path=os.environ["BENCH_SOCKET"]), max_concurrent_ops=100)
settings = {"queue": queue, "functions": [load], "concurrency": 100}


class Producer:
    """The queue, as programs use it."""

    async def open(self) -> None:
        await queue.connect()

    async def one(self, payload: dict[str, Any]) -> None:
        await queue.enqueue("load", **payload)

    async def close(self) -> None:
        await queue.disconnect()


if __name__ == "__main__":
    from producer import main

    main(Producer())
