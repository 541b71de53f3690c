"""taskiq: its broker, a stream or a list as BENCH_BROKER says, and its producer."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import uvloop
from tally import ran
from taskiq.serializers import ORJSONSerializer
from taskiq_redis import ListQueueBroker, RedisStreamBroker

asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
if os.environ["BENCH_BROKER"] == "stream":
    broker = RedisStreamBroker(os.environ["BENCH_URL"], consumer_id="0")
else:
    broker = ListQueueBroker(os.environ["BENCH_URL"])
broker = broker.with_serializer(ORJSONSerializer())


@broker.task(task_name="load")
async def load(number: int, text: str) -> int:
    """Does nothing but note that it ran."""
    ran(number)
    return number


@broker.task(task_name="load-in-thread")
def load_in_thread(number: int, text: str) -> int:
    """The same in a thread."""
    ran(number)
    return number


class Producer:
    """Tasks, as programs use them."""

    async def open(self) -> None:
        self._task = load_in_thread if os.environ.get("BENCH_TYPE") == "bench-thread" else load
        await broker.startup()

    async def one(self, payload: dict[str, Any]) -> None:
        await self._task.kiq(**payload)

    async def close(self) -> None:
        await broker.shutdown()


if __name__ == "__main__":
    from producer import main

    main(Producer())
