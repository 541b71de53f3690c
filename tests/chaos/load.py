"""A producer: a process that asks for jobs, over HTTP or through `jobd.Client`, and writes down what it was told.

    python -m tests.chaos.load http|client URL SEED LIFE JOBS_A_SECOND

An answer that leaves open whether a job was taken is followed by the same request, until there is one that does not.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import aiohttp
import uvloop

import jobd
from jobd.domain.options import read_options
from jobd.domain.state import State
from jobd.errors import JobdError, JobNotFound, StateConflict, StoreFull
from jobd.intake import Request
from tests.chaos.history import NAME, Scribe
from tests.chaos.wishes import ONLY, OPTIONS, Item, Wishes

MOST_UNDER_WAY = 50
_AGAIN_S = 0.2
_PATIENCE_S = 20.0


class Unknown(Exception):
    """Raised when nobody knows whether it was done."""


class Door(ABC):
    """A way into jobd."""

    @abstractmethod
    async def enqueue(self, items: Sequence[Item]) -> list[str]:
        """The answer for each: "accepted", "existing" or "refused". Raises Unknown."""

    @abstractmethod
    async def cancel(self, key: str) -> bool:
        """Was it cancelled before it started? Raises Unknown."""


class ClientDoor(Door):
    def __init__(self, client: jobd.Client) -> None:
        self._client = client

    async def enqueue(self, items: Sequence[Item]) -> list[str]:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                made = await self._client.enqueue_requests([_request(item) for item in items])
        except TimeoutError as error:
            raise Unknown from error
        except JobdError as error:
            if error.status >= 500 and not isinstance(error, StoreFull):
                raise Unknown from error
            return ["refused"] * len(items)
        return ["accepted" if job.id == item.key else "existing" for job, item in zip(made, items, strict=True)]

    async def cancel(self, key: str) -> bool:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                job = await self._client.cancel(key)
        except (StateConflict, JobNotFound):
            return False
        except (JobdError, TimeoutError) as error:
            raise Unknown from error
        return job.status is State.CANCELLED


def _request(item: Item) -> Request:
    options = dict(item.options)
    if "delay_ms" in options:
        options["delay"] = options.pop("delay_ms") / 1_000
    return Request(item.type, item.data, read_options(options), item.key)


class HttpDoor(Door):
    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def enqueue(self, items: Sequence[Item]) -> list[str]:
        if len(items) == 1:
            status, answer = await self._post("jobs", items[0].body())
            jobs = [answer]
        else:
            status, answer = await self._post("jobs/batch", {"jobs": [item.body() for item in items]})
            jobs = answer.get("data", [])
        if status >= 400:
            return ["refused"] * len(items)
        return ["accepted" if job["id"] == item.key else "existing" for job, item in zip(jobs, items, strict=True)]

    async def cancel(self, key: str) -> bool:
        status, job = await self._post(f"jobs/{key}/cancel", {})
        return status < 400 and job["status"] == "cancelled"

    async def _post(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        try:
            async with self._session.post(f"{self._url}/api/v1/{path}", json=body) as response:
                answer = await response.json(content_type=None)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise Unknown from error
        if response.status >= 500 and answer.get("code") != StoreFull.code:
            raise Unknown(answer)
        return response.status, answer


class Producer:
    """Asks for one thing after the other, at a steady rate, whatever becomes of those before."""

    def __init__(self, door: Door, scribe: Scribe, wishes: Wishes, a_second: float) -> None:
        self._door = door
        self._scribe = scribe
        self._wishes = wishes
        self._a_second = a_second
        self._under_way: set[asyncio.Task[None]] = set()
        self._orders: dict[str, asyncio.Lock] = {}

    async def run(self) -> None:
        """Until it is killed, or told to end: then no new wish is made."""
        stopped = asyncio.Event()
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stopped.set)
        while not stopped.is_set():
            items = self._wishes.draw()
            task = asyncio.create_task(self._grant(items))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            await asyncio.sleep(len(items) / self._a_second)
            while len(self._under_way) >= MOST_UNDER_WAY and not stopped.is_set():
                await asyncio.wait(self._under_way, timeout=_AGAIN_S, return_when=asyncio.FIRST_COMPLETED)
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _grant(self, items: Sequence[Item]) -> None:
        order = items[0].facts.get("order")
        if order is None:
            await self._ask(items)
        else:  # what stands in an order is asked for in that order
            async with self._orders.setdefault(order, asyncio.Lock()):
                await self._ask(items)
        if items[0].kind == "cancelled":
            await self._cancel(items[0].key)

    async def _ask(self, items: Sequence[Item]) -> None:
        while True:
            for item in items:
                self._scribe.write("ask", key=item.key, kind=item.kind, **item.facts)
            try:
                answers = await self._door.enqueue(items)
            except Unknown:
                await asyncio.sleep(_AGAIN_S)
                continue
            for item, answer in zip(items, answers, strict=True):
                self._scribe.write("answer", key=item.key, answer=answer)
            return

    async def _cancel(self, key: str) -> None:
        await asyncio.sleep(0.5)
        self._scribe.write("cancel", key=key)
        while True:
            try:
                if await self._door.cancel(key):
                    self._scribe.write("cancelled", key=key)
            except Unknown:
                await asyncio.sleep(_AGAIN_S)
                continue
            return


async def main(door: str, url: str, seed: str, life: str, a_second: float) -> None:
    """Produces until a byte, or the end, comes on standard input."""
    name = os.environ[NAME]
    prefix = f"{name}.{life}"
    wishes = Wishes(f"{seed} {prefix}", prefix, os.environ.get(ONLY, "").split(), json.loads(os.environ[OPTIONS]))
    scribe = Scribe.of_this_process()
    if door == "client":
        async with jobd.Client(url) as client:
            await Producer(ClientDoor(client), scribe, wishes, a_second).run()
    else:
        timeout = aiohttp.ClientTimeout(total=_PATIENCE_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            await Producer(HttpDoor(session, url), scribe, wishes, a_second).run()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4], float(sys.argv[5])))
