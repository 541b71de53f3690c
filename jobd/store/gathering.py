"""Single questions that come at the same time share trips to the store.

Nobody waits for company: who finds no trip under way goes at once. Others gather, and go together in the same round of
the loop, or when a trip ends; so the busier the callers, the fewer trips a question. Of many half go, so that this
process makes the others ready while the store works: 100 callers that all went at once would wait for the store, and it
for them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from copy import copy
from typing import Generic, TypeVar

from jobd.errors import (
    EnqueueExpired,
    InvalidRequest,
    QueueFull,
    StateConflict,
    StoreError,
    StoreUnavailable,
    UniqueConflict,
)

MOST_TRIPS = 2
"""trips at a time: while the store works on one, this process reads or fills the other"""

LEAST_HALF = 16
"""fewer than so many questions are not cut in two: another trip costs more than what goes on meanwhile is worth"""

_UNKNOWN = (StoreUnavailable, EnqueueExpired)
"""after these a job may be in the store, and is not to be sent as if it were the first time"""

Q = TypeVar("Q")
A = TypeVar("A")


class Gathering(Generic[Q, A]):
    """The questions of one process that one script answers, such as single enqueues into a shard. Each is answered,
    refused and given up for itself."""

    def __init__(
        self,
        ask: Callable[[list[Q]], Awaitable[Sequence[A]]],
        *,
        most: int,
        most_bytes: int = 0,
        size: Callable[[Q], int] = lambda question: 0,
    ) -> None:
        """`ask` answers several; up to `most` go together, or some more than `most_bytes` if their `size` counts."""
        self._ask = ask
        self._most = most
        self._most_bytes = most_bytes
        self._size = size
        self._waiting: deque[tuple[Q, asyncio.Future[A]]] = deque()
        self._trips = 0
        self._under_way = 0
        """questions that are with the store"""
        self._is_leaving = False
        self._together: set[asyncio.Task[None]] = set()

    async def answer(self, question: Q) -> A:
        """The answer to one question; raises what it is answered by when it is asked alone."""
        if not self._trips and not self._waiting:
            self._trips = self._under_way = 1
            try:
                return (await self._ask([question]))[0]
            finally:
                self._trips -= 1
                self._under_way -= 1
                if self._waiting:
                    self._leave_soon()
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if self._trips < MOST_TRIPS and not self._is_leaving:
            self._leave_soon()
        return await future

    def _leave_soon(self) -> None:
        """When those who have just been answered had time to ask again."""
        if not self._is_leaving:
            self._is_leaving = True
            asyncio.get_running_loop().call_soon(self._leave)

    def _leave(self) -> None:
        """Those who wait go, as far as there are trips for them."""
        self._is_leaving = False
        while self._trips < MOST_TRIPS and (callers := self._take()):
            self._trips += 1
            self._under_way += len(callers)
            trip = asyncio.create_task(self._go_together(callers), name="goes together")
            self._together.add(trip)
            trip.add_done_callback(self._together.discard)

    def _take(self) -> list[tuple[Q, asyncio.Future[A]]]:
        """Who goes together: of many, with those under way, half, as all would wait for the store, and it for them."""
        callers: list[tuple[Q, asyncio.Future[A]]] = []
        half = (len(self._waiting) + self._under_way + 1) // MOST_TRIPS
        most, size = min(self._most, max(half, LEAST_HALF)), 0
        while self._waiting and len(callers) < most and size <= self._most_bytes:
            caller = self._waiting.popleft()
            if not caller[1].done():  # nobody waits for it any more
                callers.append(caller)
                size += self._size(caller[0])
        return callers

    async def _go_together(self, callers: list[tuple[Q, asyncio.Future[A]]]) -> None:
        try:
            try:
                answers = await self._ask([question for question, _ in callers])
            except (StoreError, StateConflict, UniqueConflict, QueueFull, InvalidRequest) as error:
                if len(callers) == 1 or isinstance(error, _UNKNOWN):
                    raise
                # the store took none, perhaps because of one: each hears what is said to it alone
                await asyncio.gather(*(self._go_alone(caller) for caller in callers))
                return
            for (_, future), answer in zip(callers, answers, strict=True):
                if not future.done():
                    future.set_result(answer)
        except Exception as error:  # noqa: BLE001  it is for those who wait
            for _, future in callers:
                _fail(future, error)
        finally:
            for _, future in callers:
                future.cancel()  # the loop ends; nothing else leaves anybody without an answer
            self._trips -= 1
            self._under_way -= len(callers)
            if self._waiting:
                self._leave_soon()

    async def _go_alone(self, caller: tuple[Q, asyncio.Future[A]]) -> None:
        question, future = caller
        try:
            (answer,) = await self._ask([question])
        except Exception as error:  # noqa: BLE001  it is for the one who waits
            _fail(future, error)
        else:
            if not future.done():
                future.set_result(answer)


def _fail(future: asyncio.Future[A], error: Exception) -> None:
    if not future.done():
        own = copy(error)  # an error gathers the trace of each who raises it
        own.__cause__ = error
        future.set_exception(own)
