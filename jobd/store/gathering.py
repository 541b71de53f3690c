"""Single enqueues that come at the same time share trips to the store.

Nobody waits for company: who finds no trip under way goes at once. While one is under way, others gather, and go
together when it ends; so the busier the callers, the fewer trips a job.
"""

from __future__ import annotations

import asyncio
from collections import deque
from copy import copy

from jobd.domain.delivery import Met, NewJob
from jobd.errors import EnqueueExpired, QueueFull, StoreError, StoreUnavailable, UniqueConflict
from jobd.store.shard import BATCH, BATCH_BYTES, Shard

MOST_TRIPS = 2
"""trips at a time: while the store works on one, this process reads or fills the other"""

_UNKNOWN = (StoreUnavailable, EnqueueExpired)
"""after these a job may be in the store, and is not to be sent as if it were the first time"""

_Caller = tuple[NewJob, "asyncio.Future[bool | Met]"]


class Gathering:
    """The single enqueues of one process into one shard. Each is answered, refused and given up for itself."""

    def __init__(self, shard: Shard) -> None:
        self._shard = shard
        self._waiting: deque[_Caller] = deque()
        self._trips = 0
        self._together: set[asyncio.Task[None]] = set()

    async def enqueue(self, job: NewJob) -> bool | Met:
        """Takes in one job. Was it made? Answers and raises as `Shard.enqueue` does."""
        if self._trips < MOST_TRIPS:
            self._trips += 1
            try:
                return (await self._shard.enqueue([job]))[0]
            finally:
                self._next_trip()
        future: asyncio.Future[bool | Met] = asyncio.get_running_loop().create_future()
        self._waiting.append((job, future))
        return await future

    def _next_trip(self) -> None:
        self._trips -= 1
        if callers := self._take():
            self._trips += 1
            trip = asyncio.create_task(self._go_together(callers), name="enqueues together")
            self._together.add(trip)
            trip.add_done_callback(self._together.discard)

    def _take(self) -> list[_Caller]:
        callers: list[_Caller] = []
        size = 0
        while self._waiting and len(callers) < BATCH and size < BATCH_BYTES:
            caller = self._waiting.popleft()
            if not caller[1].done():  # nobody waits for it any more
                callers.append(caller)
                size += len(caller[0].spec)
        return callers

    async def _go_together(self, callers: list[_Caller]) -> None:
        try:
            try:
                created = await self._shard.enqueue([job for job, _ in callers])
            except (StoreError, UniqueConflict, QueueFull) as error:
                if len(callers) == 1 or isinstance(error, _UNKNOWN):
                    raise
                # the store took none, perhaps because of one: each hears what is said to it alone
                await asyncio.gather(*(self._go_alone(caller) for caller in callers))
                return
            for (_, future), made in zip(callers, created, strict=True):
                if not future.done():
                    future.set_result(made)
        except Exception as error:  # noqa: BLE001  it is for those who wait
            for _, future in callers:
                _fail(future, error)
        finally:
            for _, future in callers:
                future.cancel()  # the loop ends; nothing else leaves anybody without an answer
            self._next_trip()

    async def _go_alone(self, caller: _Caller) -> None:
        job, future = caller
        try:
            (made,) = await self._shard.enqueue([job])
        except Exception as error:  # noqa: BLE001  it is for the one who waits
            _fail(future, error)
        else:
            if not future.done():
                future.set_result(made)


def _fail(future: asyncio.Future[bool | Met], error: Exception) -> None:
    if not future.done():
        own = copy(error)  # an error gathers the trace of each who raises it
        own.__cause__ = error
        future.set_exception(own)
