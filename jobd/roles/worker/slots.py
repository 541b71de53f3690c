"""Slots: long-lived tasks that run one job after the other. A task per job would cost more than many a job."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress

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
        self._tasks = [asyncio.create_task(self._slot(), name=f"slot {number}") for number in range(self.size)]

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

    async def _slot(self) -> None:
        with suppress(asyncio.CancelledError):  # only `close` cancels a slot; what stops a handler ends in `run`
            await self._serve()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        turn_ends = 0.0
        while not self._closed:
            calls = 1
            while not self._work:
                waiter = loop.create_future()
                self._idle.append(waiter)
                await waiter
                self._called -= 1
                # who called has a job that waits, or there would be no work left: the others may do so too
                calls = self._called + 2
                turn_ends = clock.monotonic() + _LONGEST_TURN_S
            delivery = self._work.popleft()
            self.begun += 1
            if self._work:
                self._call(calls)
            try:
                if (rest := self._run(delivery)) is not None:
                    await rest
            finally:
                self.busy -= 1
            if self._work and clock.monotonic() > turn_ends:
                await asyncio.sleep(0)
                turn_ends = clock.monotonic() + _LONGEST_TURN_S
