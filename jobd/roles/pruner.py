"""The monitor's pruner: jobs whose retention has ended by age, and unique keys whose period is over."""

from __future__ import annotations

from jobd.actors.actor import Report
from jobd.actors.message_actor import MessageActor
from jobd.actors.timer import Tick, Timer
from jobd.domain.state import State
from jobd.store.shard import BATCH, Shard
from jobd.store.store import Store

LOOK_S = 60.0
"""seconds between two rounds"""


class Pruner(MessageActor[Tick]):
    """Removes, queue by queue, what ended too long ago, and forgets the keys that nobody owns any more."""

    def __init__(self, store: Store, *, report: Report) -> None:
        super().__init__("pruner", report=report)
        self._store = store
        self.timers = (Timer(self.tell, Tick(), interval=LOOK_S),)

    async def handle(self, message: Tick) -> None:
        """One round."""
        await self.run_once()

    async def run_once(self) -> int:
        """Removes all that is too old now. Returns how many jobs that were."""
        for shard in self._store.shards:
            while await shard.sweep() == BATCH:
                pass
        removed = 0
        for queue in await self._store.counts():
            shard = self._store.shards[self._store.shard_for(queue)]
            kept = shard.retention
            removed += await self._prune(shard, queue, State.COMPLETED, kept.completed_ms)
            removed += await self._prune(shard, queue, State.FAILED, kept.failed_ms)
            removed += await self._prune(shard, queue, State.CANCELLED, kept.failed_ms)
        return removed

    async def _prune(self, shard: Shard, queue: str, state: State, older_ms: int) -> int:
        removed = 0
        while (count := await shard.prune(queue, state, older_ms)) == BATCH:
            removed += count
        return removed + count
