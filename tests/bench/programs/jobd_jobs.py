"""jobd: the job types of the benchmark, a plugin, and their producer.

The producer takes options for its jobs from the environment: BENCH_TYPE names the job type, BENCH_FEATURE is a feature
to use (see FEATURES), BENCH_DUE is when delayed jobs are due (seconds since the epoch).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel
from tally import ran

import jobd


class Load(BaseModel):
    """100 bytes of JSON."""

    number: int
    text: str


@jobd.job("bench-load")
async def load(ctx: jobd.Context, load: Load) -> int:
    """Does nothing but note that it ran; its result is the number of its job."""
    ran(load.number)
    return load.number


@jobd.job("bench-thread")
def load_in_thread(load: Load) -> int:
    """The same in a thread."""
    ran(load.number)
    return load.number


@jobd.job("bench-sleep")
async def load_sleeping(ctx: jobd.Context, load: Load) -> int:
    """Sleeps for a millisecond."""
    ran(load.number)
    await asyncio.sleep(0.001)
    return load.number


@jobd.job("bench-retry", max_attempts=2, backoff="1ms")
async def load_at_second_try(ctx: jobd.Context, load: Load) -> int:
    """Fails in its first attempt."""
    if ran(load.number) == 1:
        raise RuntimeError("the first attempt fails")
    return load.number


@jobd.hookimpl
def jobd_job_types() -> list[jobd.JobType[Any, Any]]:
    return [load, load_in_thread, load_sleeping, load_at_second_try]


def _due() -> dict[str, Any]:
    due = datetime.fromtimestamp(float(os.environ["BENCH_DUE"]), UTC)
    return {"run_at": due}


FEATURES: dict[str, Callable[[int], dict[str, Any]]] = {
    "plain": lambda number: {},
    "priorities": lambda number: {"priority": number % 10 + 1},
    "delays": lambda number: _due(),
    "unique": lambda number: {"unique": f"job-{number}"},
    "groups": lambda number: {"group": f"tenant-{number % 10}"},
    "many-groups": lambda number: {"group": f"tenant-{number % 100_000}"},
    "keys": lambda number: {"concurrency_key": f"account-{number % 10}", "concurrency": 20},
    "many-keys": lambda number: {"concurrency_key": f"account-{number % 100_000}"},
    "orders": lambda number: {"ordering_key": f"order-{number % 100_000}"},
    "spread": lambda number: {"delay": 3_600 + number % 3_600},
}
"""what options the job of this number has"""


class Producer:
    """A client as programs use it."""

    CHUNK = 1_000

    async def open(self) -> None:
        from jobd.domain.options import read_options
        from jobd.intake import Request

        self._client = jobd.Client(os.environ["BENCH_URL"])
        self._type = os.environ.get("BENCH_TYPE", "bench-load")
        self._options = FEATURES[os.environ.get("BENCH_FEATURE", "plain")]
        self._plain = os.environ.get("BENCH_FEATURE", "plain") == "plain"
        self._request = lambda payload: Request(
            self._type, payload, read_options(self._options(payload["number"])), None
        )

    async def one(self, payload: dict[str, Any]) -> None:
        await self._client.enqueue(self._type, payload, **self._options(payload["number"]))

    async def many(self, payloads: list[dict[str, Any]]) -> None:
        if self._plain:
            await self._client.enqueue_many(self._type, payloads)
        else:
            await self._client.enqueue_requests([self._request(payload) for payload in payloads])

    async def close(self) -> None:
        await self._client.close()


if __name__ == "__main__":
    import uvloop
    from producer import main

    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    main(Producer())
