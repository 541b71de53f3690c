"""The way of a process to the store: the names of Store and Shard in jobd.store, as far as workers, monitors and
schedulers use them, on the oracle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jobd.domain.delivery import Delivery, Lost, NewJob
from jobd.errors import EnqueueExpired
from jobd.store.link import PATIENCE_S
from jobd.store.settlement import Settlement
from tests.simulation.inbox import SimInbox
from tests.simulation.oracle import Oracle
from tests.simulation.weather import Wire


class SimShard:
    """The verbs of a shard, over a wire that may lose what is said."""

    number = 0

    def __init__(self, oracle: Oracle, wire: Wire) -> None:
        self._oracle = oracle
        self._wire = wire

    async def enqueue(self, jobs: Sequence[NewJob], *, patience_s: float = PATIENCE_S) -> list[bool]:
        sent, times = self._oracle.now_ms(), [0]

        def act() -> list[bool] | None:
            times[0] += 1
            return self._oracle.enqueue(jobs, sent, repeat=times[0] > 1)

        answers = await self._wire.ask(act, patience_s)
        if answers is None:
            raise EnqueueExpired("it came too late")
        return answers

    async def join(self, member: str, *, lease_ms: int, lines: Sequence[str], about: bytes) -> None:
        await self._wire.ask(lambda: self._oracle.join(member, lease_ms, tuple(lines)), PATIENCE_S)

    async def describe(self, member: str, about: bytes) -> bool:
        return await self._wire.ask(lambda: member in self._oracle.begin().members, PATIENCE_S)

    async def renew(self, members: Sequence[str], lease_ms: int, *, patience_s: float) -> tuple[list[bool], bool]:
        return await self._wire.ask(lambda: (self._oracle.begin().renew(members, lease_ms), False), patience_s)

    async def leave(self, member: str, cause: str = "", *, patience_s: float = PATIENCE_S) -> int:
        return await self._wire.ask(lambda: self._oracle.leave(member, cause), patience_s)

    async def turn(
        self,
        member: str,
        settlements: Sequence[Settlement],
        *,
        sequence: int,
        want: int,
        types: str,
        order: str = "",
        patience_s: float = PATIENCE_S,
    ) -> tuple[list[int], list[Delivery]]:
        def act() -> tuple[list[int], list[Delivery]]:
            answers = self._oracle.settle(member, settlements) if settlements else []
            return answers, self._oracle.fetch(member, sequence, want, types)

        return await self._wire.ask(act, patience_s)

    async def fetch_behind(
        self, inbox: SimInbox, member: str, *, sequence: int, want: int, types: str, order: str = ""
    ) -> list[Delivery] | None:
        batch: list[Delivery] | None = await inbox.ask_behind(lambda: self._oracle.fetch(member, sequence, want, types))
        return batch

    async def settle(
        self, holder: str, settlements: Sequence[Settlement], *, patience_s: float = PATIENCE_S
    ) -> list[int]:
        return await self._wire.ask(lambda: self._oracle.settle(holder, settlements), patience_s)

    async def take_over(self, monitor: str, *, most: int = 0, start: int = 0) -> tuple[list[Lost], int, bool]:
        return await self._wire.ask(lambda: (self._oracle.take_over(monitor), 0, False), PATIENCE_S)

    async def promote(self, scheduler: str = "") -> tuple[int, int | None]:
        return await self._wire.ask(self._oracle.promote, PATIENCE_S)

    async def asked_to_end(self, mine: Sequence[tuple[str, int]], *, patience_s: float) -> list[tuple[str, int]]:
        return await self._wire.ask(lambda: self._oracle.asked_to_end(mine), patience_s)

    async def cancel(self, job_id: str) -> str:
        return await self._wire.ask(lambda: self._oracle.cancel(job_id), PATIENCE_S)

    async def staged(self) -> list[str]:
        return []

    async def release(self, batch: str) -> int:
        return 0

    async def expire(self) -> int:
        return 0

    async def now_us(self) -> int:
        return self._oracle.now_ms() * 1_000


class SimStore:
    """The one shard, as a store."""

    url = "simulated"

    def __init__(self, oracle: Oracle, wire: Wire) -> None:
        self._oracle = oracle
        self._wire = wire
        self.shards = (SimShard(oracle, wire),)

    def inbox(self, member: str, shard: SimShard) -> SimInbox:
        before = self._oracle.inboxes.get(member)
        inbox = self._oracle.inboxes[member] = SimInbox(before.words if before else [], self._wire)
        return inbox

    async def enqueue(self, jobs: Sequence[NewJob]) -> list[bool]:
        return await self.shards[0].enqueue(jobs)

    def shard_for(self, queue: str) -> int:
        return 0

    async def tell_types(self, types: Mapping[str, Any]) -> None:
        """They are known."""

    async def close(self) -> None:
        """There is nothing to close."""
