"""Hands for tests: they make jobs, and do what workers, schedulers and monitors do, one move at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError

from jobd.domain.delivery import Delivery, Lost, Met, NewJob
from jobd.domain.ids import new_id
from jobd.domain.job import Job
from jobd.domain.keep import Keep
from jobd.domain.options import DEFAULTS, Options
from jobd.domain.settle import CANCELLED, COMPLETED, FAILED, GIVEN_BACK, Verdict
from jobd.domain.state import State
from jobd.domain.when import When
from jobd.store.codec import pack_head
from jobd.store.link import Argument, Link, pairs
from jobd.store.shard import Settlement, Shard

START_MS = 1_800_000_000_000
"""when the time of a test begins"""
LEASE_MS = 20_000
LOST = Verdict(State.WAITING, spent=False, suspect=True)
CRASHED_ALONE = Verdict(State.WAITING, spent=False, suspect=True, crashed=True)

_numbers = itertools.count(1)


class Clock:
    """The time that a shard's scripts are told, in milliseconds since 1970. It stands still unless a test moves it."""

    def __init__(self, shard: Shard) -> None:
        self._shard = shard
        self.ms = START_MS

    @property
    def ms(self) -> int:
        return self._ms

    @ms.setter
    def ms(self, value: int) -> None:
        self._ms = value
        self._shard.dictated_us = value * 1_000

    def forward(self, ms: int) -> None:
        self.ms += ms


def made_id() -> str:
    """An id as producers make them, each above the one before."""
    return new_id(START_MS + next(_numbers), lambda bits: 2 ** (bits - 1))


def new_job(
    job_id: str = "",
    *,
    type: str = "noop",
    queue: str = "default",
    priority: int = 5,
    due: str = "",
    payload: bytes = b"{}",
    max_attempts: int = 4,
    timeout_ms: int = 0,
    delay_ms: int | None = None,
    metadata: Mapping[str, Any] | None = None,
    keep_completed: Keep | None = None,
    heartbeat_timeout_ms: int | None = None,
    queue_timeout_ms: int | None = None,
    expires: When | None = None,
    deadline: When | None = None,
    lane_key: str = "",
    unique: str = "",
    weight: int | None = None,
    front: bool = False,
) -> NewJob:
    """A job on its way into the store. Without an id it gets one of its own."""
    options = Options(
        queue=queue,
        priority=priority,
        max_attempts=max_attempts,
        timeout_ms=timeout_ms,
        delay_ms=delay_ms,
        metadata=metadata,
        keep_completed=keep_completed,
        heartbeat_timeout_ms=heartbeat_timeout_ms,
        queue_timeout_ms=queue_timeout_ms,
        expires=expires,
        deadline=deadline,
        rate_weight=weight,
    ).over(DEFAULTS)
    head = pack_head(
        type, Options(**{**_fields(options), "backoff": None}), lane_key=lane_key, unique=unique, front=front
    )
    return NewJob(job_id or made_id(), queue, priority, due, head + payload, unique=bool(unique))


def _fields(options: Options) -> dict[str, Any]:
    return {name: getattr(options, name) for name in Options.__dataclass_fields__}


def done(delivery: Delivery, result: bytes = b"", children: Sequence[NewJob] = ()) -> Settlement:
    """The handler returned."""
    return Settlement(delivery.id, delivery.fence, COMPLETED, result=result, children=children)


def ended(delivery: Delivery, verdict: Verdict, outcome: str = "raised", **facts: Any) -> Settlement:
    """The attempt ended in another way."""
    return Settlement(
        delivery.id, delivery.fence, verdict, facts={"worker": delivery.holder, "outcome": outcome, **facts}
    )


def failed(delivery: Delivery) -> Settlement:
    return ended(delivery, FAILED, error={"type": "ValueError", "message": "no"})


def cancelled(delivery: Delivery) -> Settlement:
    return ended(delivery, CANCELLED, "cancelled", reason="stopped")


def given_back(delivery: Delivery) -> Settlement:
    return ended(delivery, GIVEN_BACK, "interrupted")


def retried(delivery: Delivery, delay_ms: int = 1_000) -> Settlement:
    return ended(delivery, Verdict(State.DELAYED, delay_ms=delay_ms))


class Hands:
    """Does with a shard what a test says."""

    def __init__(self, shard: Shard, clock: Clock) -> None:
        self.shard = shard
        self.clock = clock
        self._sequences: dict[str, int] = {}

    async def put(self, *jobs: NewJob) -> list[bool | Met]:
        """Enqueues these jobs."""
        return await self.shard.enqueue(jobs)

    async def join(self, member: str = "w1", *lines: str) -> str:
        """Joins as a worker of all queues, or of these lines."""
        await self.shard.join(member, lease_ms=LEASE_MS, lines=lines or ("*",), about=b'{"kind":"worker"}')
        return member

    async def fetch(self, member: str = "w1", want: int = 10, types: str = ",noop,", order: str = "") -> list[Delivery]:
        """The next batch of this worker."""
        return (await self.turn(member, [], want, types, order))[1]

    async def turn(
        self, member: str, settlements: Sequence[Settlement], want: int = 10, types: str = ",noop,", order: str = ""
    ) -> tuple[list[int], list[Delivery]]:
        """Settles and fetches in one trip, as workers do."""
        sequence = self._sequences[member] = self._sequences.get(member, 0) + 1
        return await self.shard.turn(member, settlements, sequence=sequence, want=want, types=types, order=order)

    async def settle(self, *settlements: Settlement, holder: str = "w1") -> list[int]:
        """Applies verdicts."""
        return await self.shard.settle(holder, settlements)

    async def fetch_again(self, member: str = "w1", want: int = 10, types: str = ",noop,") -> list[Delivery]:
        """The same request once more, as after a lost reply."""
        return (await self.shard.turn(member, [], sequence=self._sequences[member], want=want, types=types))[1]

    async def active(self, *jobs: NewJob, member: str = "w1") -> list[Delivery]:
        """These jobs, enqueued and in the hands of a worker that has joined."""
        await self.put(*jobs)
        return await self.fetch(member, want=len(jobs))

    async def job(self, job_id: str) -> Job:
        """The job of this id, which is there."""
        job = (await self.shard.get([job_id]))[0]
        assert job is not None
        return job

    async def states(self, *job_ids: str) -> list[State | None]:
        """The states of these jobs; None for what is not there."""
        return [job.status if job else None for job in await self.shard.get(job_ids)]

    async def counts(self, queue: str = "default") -> dict[State, int]:
        """How many jobs of a queue are counted in each state, without the zeros."""
        letters = dict(zip("wdbacfx", _STATES, strict=True))
        fields = pairs(await self.shard.link.command("HGETALL", self.shard.keys.fixed("counts")))
        named = {field.decode(): int(value) for field, value in fields}
        return {letters[name[0]]: count for name, count in named.items() if name[2:] == queue and count}

    async def monitor(self, member: str = "m1") -> str:
        """Joins as a monitor."""
        await self.shard.join(member, lease_ms=LEASE_MS, lines=["@monitor"], about=b'{"kind":"monitor"}')
        return member

    async def take_over(self, monitor: str = "m1", most: int = 500) -> list[Lost]:
        """What this monitor takes over in one call."""
        return (await self.shard.take_over(monitor, most=most))[0]

    async def words(self, member: str) -> list[str]:
        """The words in an inbox, which are gone from it then."""
        key = self.shard.keys.inbox(member)
        words = await self.shard.link.command("LRANGE", key, 0, -1)
        await self.shard.link.command("DEL", key)
        return [word.decode() for word in words]


_STATES = (
    State.WAITING,
    State.DELAYED,
    State.BLOCKED,
    State.ACTIVE,
    State.COMPLETED,
    State.FAILED,
    State.CANCELLED,
)


def ids(batch: Sequence[Delivery]) -> list[str]:
    """The ids of a batch, in its order."""
    return [delivery.id for delivery in batch]


class LossyLink(Link):
    """A link that loses the replies to the next so many scripts: they run, and nobody hears how it went."""

    def __init__(self, link: Link) -> None:
        super().__init__(link.owner)
        self.losing = 0
        self.before_repeat: Any = None
        """called before the script is sent again"""

    async def insist(self, send: Any, patience_s: float, *, what: str) -> Any:
        async def lossy(redis: Any) -> Any:
            reply = await send(redis)
            if self.losing:
                self.losing -= 1
                if self.before_repeat is not None:
                    await self.before_repeat()
                raise RedisConnectionError("the reply is lost")
            return reply

        return await super().insist(lossy, patience_s, what=what)


Arguments = Sequence[Argument]


class BentLink(Link):
    """A link that sends a script with other arguments than its caller meant: `bend` gets those of the first sending
    and those of a repeat."""

    def __init__(self, link: Link, bend: Callable[[Arguments, Arguments], Arguments]) -> None:
        super().__init__(link.owner)
        self._bend = bend

    async def run_repeating(
        self, script: str, keys: Sequence[bytes], first: Arguments, again: Arguments, patience_s: float
    ) -> Any:
        return await self.run(script, keys, self._bend(first, again), patience_s=patience_s)
