"""The scheduler: makes waiting what is due. Any number of them may run; each move is one atomic script."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import create_task_group

from jobd.actors.actor import Report
from jobd.actors.message_actor import MessageActor
from jobd.actors.timer import Tick, Timer
from jobd.roles.membership import Membership

LOOK_S = 5.0
"""seconds between two looks when nothing is due and nobody calls"""


class Scheduler(MessageActor[Tick]):
    """Sleeps until the next job is due, or until a script that delayed one for an earlier time wakes it."""

    def __init__(self, membership: Membership, *, report: Report) -> None:
        super().__init__("scheduler", report=report)
        self._membership = membership
        self._rejoin = False
        self._timer = Timer(self.tell, Tick(), interval=LOOK_S)
        self.timers = (self._timer,)

    @asynccontextmanager
    async def life(self) -> AsyncIterator[None]:
        """A member of the store as long as it lives."""
        await self._membership.join(self._lost)
        try:
            async with super().life(), create_task_group() as tasks:
                tasks.start_soon(self._membership.listen, self._told)
                yield
                tasks.cancel_scope.cancel()
        finally:
            await self._membership.leave()

    async def handle(self, message: Tick) -> None:
        """One look, and the time of the next."""
        next_in_ms = await self.run_once()
        if next_in_ms is not None:
            self._timer.within(next_in_ms / 1_000)

    async def run_once(self) -> int | None:
        """Promotes all that is due now. Returns in how many milliseconds the next job is due."""
        if self._rejoin:
            self._rejoin = False
            await self._membership.join(self._lost)
        while True:
            moved, next_in_ms = await self._membership.shard.promote(self._membership.id)
            if not (moved and next_in_ms == 0):
                return next_in_ms

    def _told(self, word: str | None) -> None:
        self.tell(Tick())

    def _lost(self) -> None:
        # it is not found idle any more, so it must join again to be woken
        self._rejoin = True
        self.tell(Tick())
