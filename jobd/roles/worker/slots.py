"""Slots: long-lived tasks that run one job after the other. A task per job would cost more than many a job.

What one job says about itself in context variables (tenant, trace, language) is not there for the next one: a slot
whose job has left its mark goes on as another task, with the context that all of them began with.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress
from contextvars import Context, copy_context

from jobd import clock
from jobd.domain.delivery import Delivery

_LONGEST_TURN_S = 0.005
"""jobs that never wait share the loop after this long"""
_CLOSE_LIMIT_S = 1.0
"""how long a handler that is cancelled may take to end before its slot is left behind"""


class Slots:
    """`size` slots. `run` runs one job to its end, or returns what does so when it is awaited; neither ever raises. For
    one life: open once, close once."""

    def __init__(self, size: int, run: Callable[[Delivery], Awaitable[None] | None]) -> None:
        self.size = size
        self.busy = 0
        """jobs handed in and not yet ended"""
        self.begun = 0
        """jobs whose turn has come since its opening"""
        self._run = run
        self._work: deque[Delivery] = deque()
        self._idle: list[asyncio.Future[None]] = []
        self._called = 0
        """slots that were called and have not come yet"""
        self._turn_ends = 0.0
        """when jobs that never wait are to let others at the loop, whatever slot they are in"""
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False

    @property
    def free(self) -> int:
        """How many more jobs it can take."""
        return self.size - self.busy

    @property
    def given(self) -> int:
        """How many jobs were handed in, without those taken back."""
        return self.begun + len(self._work)

    @property
    def to_come(self) -> Collection[Delivery]:
        """Those handed in whose turn has not come."""
        return self._work

    def open(self) -> None:
        """Starts the slots."""
        self._clean = copy_context()
        self._tasks = [self._begin(number) for number in range(self.size)]

    async def close(self) -> None:
        """Ends the slots. What still runs in them is cancelled; what does not heed that is left behind."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_CLOSE_LIMIT_S)

    def give(self, deliveries: Iterable[Delivery]) -> None:
        """Hands jobs in. Those that find no free slot wait for one."""
        before = len(self._work)
        self._work.extend(deliveries)
        self.busy += len(self._work) - before
        if self._work:
            self._call(1)

    def take_back(self) -> list[Delivery]:
        """Takes out those whose turn has not come."""
        waiting = list(self._work)
        self._work.clear()
        self.busy -= len(waiting)
        return waiting

    def _call(self, count: int) -> None:
        """Calls idle slots until so many are on their way."""
        while self._called < count and self._idle:
            waiter = self._idle.pop()
            if not waiter.done():
                waiter.set_result(None)
                self._called += 1

    def _begin(self, number: int) -> asyncio.Task[None]:
        return asyncio.create_task(self._slot(number), name=f"slot {number}", context=self._clean.copy())

    async def _slot(self, number: int) -> None:
        with suppress(asyncio.CancelledError):  # only `close` cancels a slot; what stops a handler ends in `run`
            await self._serve()
            if not self._closed:
                self._tasks[number] = self._begin(number)

    async def _serve(self) -> None:
        """Until it is closed, or a job has left its mark."""
        loop = asyncio.get_running_loop()
        while not self._closed:
            calls = 1
            while not self._work:
                waiter = loop.create_future()
                self._idle.append(waiter)
                await waiter
                self._called -= 1
                # who called has a job that waits, or there would be no work left: the others may do so too
                calls = self._called + 2
            delivery = self._work.popleft()
            self.begun += 1
            if self._work:
                self._call(calls)
            try:
                if (rest := self._run(delivery)) is not None:
                    await rest
            finally:
                self.busy -= 1
            if not _are_same(copy_context(), self._clean):
                return
            if self._work and (now := clock.monotonic()) > self._turn_ends:
                self._turn_ends = now + _LONGEST_TURN_S
                await asyncio.sleep(0)


def _are_same(one: Context, other: Context) -> bool:
    """Do both have the same variables? Told at once where nothing was ever set."""
    try:
        return one == other
    except Exception:  # noqa: BLE001  values are compared by their own code
        return False
