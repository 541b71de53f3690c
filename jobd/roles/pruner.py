"""The monitor's pruner: jobs whose retention has ended by age, and unique keys whose period is over."""

from __future__ import annotations

from jobd.actors.actor import Report
from jobd.actors.message_actor import MessageActor
from jobd.actors.timer import Tick, Timer
from jobd.domain.keep import Keep
from jobd.domain.limits import Scope, gate_of
from jobd.domain.state import ENDED, State
from jobd.store.codec import LETTERS
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
        for shard in self._store.shards:
            for shelf, kept in (await self._kept(shard)).items():
                removed += await self._prune(shard, shelf, kept)
        return removed

    async def _kept(self, shard: Shard) -> dict[str, Keep]:
        """What is kept on each shelf: as its jobs say, or else its queue, or else the settings."""
        usual = shard.retention
        completed = Keep(usual.completed, usual.completed_ms)
        failed = Keep(usual.failed, usual.failed_ms)
        rules = await shard.rules()
        found = {}
        for queue in await self._store.counts():
            rule = rules.get(gate_of(Scope.QUEUE, queue), {})
            for state in ENDED:
                field, otherwise = (
                    ("keep_completed", completed) if state is State.COMPLETED else ("keep_failed", failed)
                )
                found[f"{queue}:{LETTERS[state]}"] = Keep.parse(rule.get(field, otherwise))
        for shelf in await shard.shelves():
            count, age_ms = shelf.rpartition(":")[2].split("/")[1:]
            found[shelf] = Keep(int(count) if count else None, int(age_ms) if age_ms else None)
        return found

    async def _prune(self, shard: Shard, shelf: str, kept: Keep) -> int:
        removed = 0
        while (count := await shard.prune_shelf(shelf, kept.age_ms, kept.count)) == BATCH:
            removed += count
        return removed + count
