"""Handlers that heed no stop: threads left behind, coroutines that swallow their cancellation. They keep their slots,
and only the end of their process ends them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import NoReturn

from jobd import clock, log
from jobd.errors import StoreError
from jobd.roles.worker.running import Key, Running

LOOK_S = 1.0
STUCK_AFTER_S = 10.0
"""how long a handler may go on after it was told to end, to clean up, before it counts as stuck"""


class StuckHandlers:
    """Finds them, says so once for each, and knows when they are too many: when they hold at least half of the slots,
    or half of the threads."""

    def __init__(self, running: Mapping[Key, Running], *, slots: int, threads: int) -> None:
        self.count = 0
        self.too_many = False
        self._running = running
        self._slots = slots
        self._threads = threads
        self._known: dict[Key, Running] = {}
        self._log = log.get("worker")

    async def watch(self, tell: Callable[[int], Awaitable[None]], on_too_many: Callable[[], None]) -> NoReturn:
        """Looks each second. Awaits `tell` with the number whenever that has changed, and again if the store did not
        take it; calls `on_too_many` each time they become too many."""
        told = 0
        while True:
            await asyncio.sleep(LOOK_S)
            before = self.too_many
            self.look(clock.monotonic())
            if self.too_many and not before:
                on_too_many()
            if self.count != told:
                try:
                    await tell(self.count)
                except StoreError as error:
                    self._log.warning("the store was not told of stuck handlers", error=str(error))
                else:
                    told = self.count

    def look(self, now: float) -> None:
        """Takes note of those that are stuck at `now`, in seconds of the monotonic clock."""
        stuck = {
            key: running
            for key, running in self._running.items()
            if running.stopped_at is not None and now - running.stopped_at >= STUCK_AFTER_S
        }
        for running in (running for key, running in stuck.items() if key not in self._known):
            self._say("a handler heeds no stop; it keeps its slot", running, now)
        for running in (running for key, running in self._known.items() if key not in stuck):
            self._say("a handler that heeded no stop has ended", running, now)
        self._known = stuck
        self.count = len(stuck)
        in_threads = sum(1 for running in stuck.values() if running.thread is not None)
        self.too_many = self.count > 0 and (2 * self.count >= self._slots or 2 * in_threads >= self._threads)

    def _say(self, what: str, running: Running, now: float) -> None:
        delivery = running.delivery
        self._log.warning(
            what,
            job=delivery.id,
            type=delivery.type,
            attempt=delivery.attempt,
            in_thread=running.thread is not None,
            stopped_s_ago=round(now - (running.stopped_at or now), 1),
        )
