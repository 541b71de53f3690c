"""streaQ: its worker and its producer."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from typing import Any

import uvloop
from streaq import Worker
from tally import ran

worker = Worker(redis_url=os.environ["BENCH_URL"], concurrency=100)


@worker.task()
async def load(number: int, text: str) -> int:
    """Does nothing but note that it ran."""
    ran(number)
    return number


class Producer:
    """A worker that only enqueues, as programs use it."""

    CHUNK = 1_000

    async def open(self) -> None:
        self._stack = AsyncExitStack()
        await self._stack.enter_async_context(worker)

    async def one(self, payload: dict[str, Any]) -> None:
        await load.enqueue(**payload)

    async def many(self, payloads: list[dict[str, Any]]) -> None:
        await worker.enqueue_many([load.enqueue(**payload) for payload in payloads])

    async def close(self) -> None:
        await self._stack.aclose()


if __name__ == "__main__":
    from producer import main

    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    main(Producer())
