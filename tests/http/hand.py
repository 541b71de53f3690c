"""A worker without a process: it takes jobs and ends them as a test says."""

from __future__ import annotations

from typing import Any

import orjson

from jobd.domain.delivery import Delivery
from jobd.domain.settle import CANCELLED, COMPLETED, FAILED, Verdict
from jobd.domain.state import State
from jobd.store.shard import Settlement
from jobd.store.store import Store

LEASE_MS = 60_000
"""how long it lives, unless a test renews it"""


class Hand:
    """One worker, by hand."""

    def __init__(self, store: Store, name: str = "hand-1") -> None:
        self._store = store
        self.shard = store.shards[0]
        self.name = name
        self._sequence = 0

    async def join(self) -> None:
        about = orjson.dumps({"kind": "worker", "host": "here", "slots": 8})
        await self.shard.join(self.name, lease_ms=LEASE_MS, lines=["*"], about=about)

    async def take(self, types: str = ",anything,send-letter,add_up,") -> Delivery:
        """The next job, now active."""
        self._sequence += 1
        _, deliveries = await self.shard.turn(self.name, [], sequence=self._sequence, want=1, types=types)
        return deliveries[0]

    async def take_all(self) -> list[Delivery]:
        """All that may be taken, now active."""
        self._sequence += 1
        return (await self.shard.turn(self.name, [], sequence=self._sequence, want=100, types=",anything,"))[1]

    async def take_when_there(self) -> Delivery:
        """The next job, as soon as there is one."""
        while not any(states[State.WAITING] for states in (await self._store.counts()).values()):
            pass  # each look is a trip to the store: it gives way to others
        return await self.take()

    async def complete(self, delivery: Delivery, result: Any = None) -> None:
        await self._settle(delivery, COMPLETED, orjson.dumps(result))

    async def fail(self, delivery: Delivery, message: str) -> None:
        await self._settle(delivery, FAILED, outcome="raised", error={"type": "ValueError", "message": message})

    async def give_in(self, delivery: Delivery, reason: str) -> None:
        """Ends it as cancelled."""
        await self._settle(delivery, CANCELLED, outcome="cancelled", reason=reason)

    async def say_progress(self, delivery: Delivery, **words: Any) -> None:
        assert await self.shard.say(delivery, "progress", orjson.dumps(words)[1:-1])

    async def say_line(self, delivery: Delivery, text: str, **fields: Any) -> None:
        line = {"attempt": delivery.attempt, "level": "info", "text": text, "fields": fields}
        assert await self.shard.say(delivery, "log", orjson.dumps(line)[1:-1])

    async def somebody_waits_for(self, job_id: str) -> None:
        """Returns when the end of the job is waited for."""
        while not await self.shard.link.command("HEXISTS", self.shard.keys.fixed("waiters"), job_id):
            pass

    async def _settle(self, delivery: Delivery, verdict: Verdict, result: bytes = b"", **facts: Any) -> None:
        settlement = Settlement(delivery.id, delivery.fence, verdict, result, {"worker": self.name, **facts})
        assert await self.shard.settle(self.name, [settlement]) == [1]
