"""The way of a process to the store: the names of Store and Shard in jobd.store, as far as workers, monitors and
schedulers use them, on the oracle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, cast

from jobd import clock
from jobd.domain.delivery import Delivery, Lost, Met, NewJob
from jobd.errors import EnqueueExpired
from jobd.store.agreement import Numbers
from jobd.store.caller import TIME_HOLDS_S
from jobd.store.gathering import Gathering
from jobd.store.inbox import Inbox
from jobd.store.link import PATIENCE_S
from jobd.store.once import Once
from jobd.store.settlement import Settlement
from jobd.store.shard import BATCH, Shard
from jobd.store.store import Store
from tests.simulation.inbox import SimInbox
from tests.simulation.oracle import Oracle
from tests.simulation.weather import Wire


class SimShard:
    """The verbs of a shard, over a wire that may lose what is said."""

    number = 0

    def __init__(self, oracle: Oracle, wire: Wire) -> None:
        self._oracle = oracle
        self._wire = wire
        self._ahead_ms: int | None = None
        self._asked_s = 0.0

    def _sent_ms(self) -> int:
        """The store's time as this process knows it: it may have been set since."""
        now_s = clock.monotonic()
        if self._ahead_ms is None or now_s - self._asked_s > TIME_HOLDS_S:
            self._ahead_ms, self._asked_s = self._oracle.now_ms() - int(now_s * 1_000), now_s
        return int(now_s * 1_000) + self._ahead_ms

    async def enqueue(
        self, jobs: Sequence[NewJob], *, once: Once | None = None, patience_s: float = PATIENCE_S
    ) -> list[bool | Met]:
        return await self.stage("", jobs, patience_s=patience_s)

    async def stage(
        self, batch: str, jobs: Sequence[NewJob], *, once: Once | None = None, patience_s: float = PATIENCE_S
    ) -> list[bool | Met]:
        enqueue = partial(self._oracle.enqueue, jobs, self._sent_ms(), batch=batch)
        repeated = False

        def again() -> list[bool | Met]:
            nonlocal repeated
            repeated = True
            return enqueue(repeat=True)

        try:
            return await self._wire.ask(partial(enqueue, repeat=False), patience_s, again)
        except EnqueueExpired:
            if repeated:
                raise
            # it was the first: the clock was set
            self._ahead_ms = None
            return await self.stage(batch, jobs, patience_s=patience_s)

    async def commit(
        self,
        batch: str,
        size: int,
        *,
        once: Once | None = None,
        answers: Sequence[tuple[str, str]] = (),
        replicated: bool = False,
        patience_s: float = PATIENCE_S,
    ) -> bool:
        return await self._wire.ask(lambda: self._oracle.commit(batch, size), patience_s)

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

    async def asked_of(self, member: str, *, patience_s: float) -> str:
        """People come to no worker of a simulated world."""
        return await self._wire.ask(lambda: "", patience_s)

    async def held_by(self, member: str, *, patience_s: float) -> list[tuple[str, int]]:
        return await self._wire.ask(lambda: self._oracle.held_by(member), patience_s)

    async def cancel(self, job_id: str) -> str:
        return await self._wire.ask(lambda: self._oracle.cancel(job_id), PATIENCE_S)

    async def staged(self) -> list[str]:
        return await self._wire.ask(lambda: list(self._oracle.begin().batches), PATIENCE_S)

    async def release(self, batch: str) -> int:
        return await self._wire.ask(lambda: self._oracle.release(batch), PATIENCE_S)

    async def expire(self) -> int:
        return await self._wire.ask(self._oracle.expire, PATIENCE_S)

    async def now_us(self) -> int:
        return self._oracle.now_ms() * 1_000


class SimStore(Store):
    """The one shard, as a store: what a store does with its shards it does itself."""

    def __init__(self, oracle: Oracle, wire: Wire) -> None:
        self.sim = SimShard(oracle, wire)
        shard = cast("Shard", self.sim)
        self.shards = (shard,)
        self._enqueues = {shard: Gathering(shard.enqueue, most=BATCH)}
        self.url = "simulated"
        self._oracle = oracle
        self._wire = wire

    def inbox(self, member: str, shard: Shard) -> Inbox:
        before = self._oracle.inboxes.get(member)
        inbox = self._oracle.inboxes[member] = SimInbox(before.words if before else [], self._wire)
        return cast("Inbox", inbox)

    def shard_of_new(self, job: NewJob) -> int:
        return 0

    async def learn(self, *, fresh_s: float = 0) -> Numbers:
        return Numbers((1,))

    async def settle_home(self, queue: str) -> None:
        """All queues live in the one shard."""

    async def tell_types(self, types: Mapping[str, Any]) -> None:
        """They are known."""

    async def close(self) -> None:
        """There is nothing to close."""
