"""Which deliveries of a worker are to be cancelled."""

from __future__ import annotations

from collections.abc import Mapping

from jobd.domain.outcome import Ending, Outcome
from jobd.roles.worker.running import Key, Running
from jobd.roles.worker.slots import Slots
from jobd.store.shard import Shard

CANCELLED = Outcome(Ending.CANCELLED)
_MOST_EARLY = 1_000
"""deliveries that have not begun, beside those that wait here; most of those that never come are of another life"""
_PATIENCE_S = 1.0


class Cancels:
    """Tells those that run at once, and the others when their turn comes."""

    def __init__(self, shard: Shard, running: Mapping[Key, Running], slots: Slots) -> None:
        self._shard = shard
        self._running = running
        self._slots = slots
        self.early: set[Key] = set()
        """those that have not begun"""

    def cancel(self, key: Key) -> None:
        """Somebody wants it."""
        running = self._running.get(key)
        if running is not None:
            running.stop(CANCELLED, sync_too=False)
            return
        if len(self.early) >= _MOST_EARLY:
            self.early &= {(job.id, job.fence) for job in self._slots.to_come}
        self.early.add(key)  # the word may overtake the delivery that it is about

    async def look(self) -> None:
        """Words were lost, and one to cancel comes only once: the records of what is in hand tell too. Raises
        StoreError."""
        mine = [*self._running, *((job.id, job.fence) for job in self._slots.to_come)]
        for key in await self._shard.asked_to_end(mine, patience_s=_PATIENCE_S):
            self.cancel(key)

    def clear(self) -> None:
        """All that it knew of is somebody else's."""
        self.early.clear()
