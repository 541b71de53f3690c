"""arq: its worker's settings and its producer."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import uvloop
from arq import create_pool
from arq.connections import RedisSettings
from tally import ran

asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
REDIS = RedisSettings(unix_socket_path=os.environ["BENCH_SOCKET"])


async def load(ctx: dict[Any, Any], number: int, text: str) -> int:
    """Does nothing but note that it ran."""
    ran(number)
    return number


class WorkerSettings:
    """What `arq` reads."""

    redis_settings = REDIS
    functions = [load]  # noqa: RUF012  the shape that arq wants
    max_jobs = 100
    poll_delay = 0.005


class Producer:
    """A pool, as programs use it."""

    async def open(self) -> None:
        self._pool = await create_pool(REDIS)

    async def one(self, payload: dict[str, Any]) -> None:
        await self._pool.enqueue_job("load", **payload)

    async def close(self) -> None:
        await self._pool.aclose()


if __name__ == "__main__":
    from producer import main

    main(Producer())
