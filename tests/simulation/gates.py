"""Who may start: the oracle of the stateful tests, with places, turns, rates and sizes, each in the plainest words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from random import Random
from typing import Any

from jobd.store.codec import Spec, unpack_spec
from jobd.store.dated import record_of
from tests.store.model import ACTIVE, BLOCKED, DELAYED, ENDED, WAITING, Job, Order
from tests.store.store_model import Model
from tests.store.unique_model import Answer, Refused

NARROW = "narrow"
"""the queue that may be full"""
FULL = "full"
UNBOUNDED = 10**9

Claim = tuple[tuple[str, ...], int]
"""what a running job holds one of, and how many of it there are"""


@lru_cache(4_096)
def spec_of(payload: bytes) -> Spec:
    """What a job is, by what its producer packed, which stands as payload in its order here."""
    return unpack_spec(record_of(payload, 0.0))


@dataclass(frozen=True)
class Rules:
    """What an operator has said, other in each world."""

    queue: int = UNBOUNDED
    """how many jobs of the default queue may run"""
    group: int = UNBOUNDED
    """and of each group in it"""
    size: int = UNBOUNDED
    """how many in the narrow queue may not have started"""

    @classmethod
    def drawn(cls, dice: Random) -> Rules:
        return cls(dice.choice([UNBOUNDED, UNBOUNDED, 2, 4]), dice.choice([UNBOUNDED, 1, 2]), dice.choice([1, 2]))

    def claims(self, order: Order) -> list[Claim]:
        """What a job holds while it runs."""
        options = spec_of(order.payload).options
        claims: list[Claim] = []
        if order.queue == "default":
            claims.append((("queue",), self.queue))
            if options.group is not None:
                claims.append((("group", options.group), self.group))
        if options.concurrency_key is not None:
            claims.append((("key", options.concurrency_key), options.concurrency or 1))
        return claims


class Gated(Model):
    """The store, with gates."""

    def __init__(self, now: int, rules: Rules) -> None:
        super().__init__(now, most_completed=10**6, most_failed=10**6)
        self.rules = rules
        self.starts: dict[str, list[int]] = {}
        """of each rate key"""

    def snapshot(self) -> dict[str, Any]:
        """What is refused here comes alone, and is refused before it has changed anything."""
        return {}

    def _make(self, order: Order, batch: str = "", *, quietly: bool = False) -> Answer:  # type: ignore[override]  # it is met or made there
        if order.queue == NARROW and not quietly:
            unstarted = [job for job in self.jobs.values() if job.state in (WAITING, DELAYED, BLOCKED)]
            if sum(job.order.queue == NARROW for job in unstarted) >= self.rules.size:
                raise Refused(FULL)
        return super()._make(order, batch, quietly=quietly)

    def offered(self, name: str, types: Collection[str]) -> list[Job]:
        """Those that may be given together: one that takes the last place stands in the way of the next."""
        room = Room(self)
        line = sorted(super().offered(name, types), key=lambda job: (job.order.priority, job.place))
        return [job for job in line if room.take(job)]

    def fetch(self, name: str, sequence: int, want: int, types: Collection[str], given: Sequence[str]) -> None:
        super().fetch(name, sequence, want, types, given)
        for job_id in given:
            options = spec_of(self.jobs[job_id].order.payload).options
            if options.rate is not None:
                self.starts.setdefault(options.rate_key or "", []).append(self.now)

    def servable(self) -> set[tuple[str, bool]]:
        """Jobs that may start, each if no other one does; and is it a suspect?"""
        room = Room(self)
        return {(job.order.id, job.suspect) for job in self.jobs.values() if job.state == WAITING and room.fits(job)}

    def opening(self) -> int | None:
        """When the next rate lets somebody pass who waits for it (ms)."""
        return min((at for job in self.jobs.values() if job.state == WAITING for at in self._opens(job)), default=None)

    def _opens(self, job: Job) -> Iterator[int]:
        rate = spec_of(job.order.payload).options.rate
        if rate is not None:
            recent = self.recent(job)
            if len(recent) >= rate.count:
                yield recent[-rate.count] + rate.per_ms

    def recent(self, job: Job) -> list[int]:
        """The starts that count for its rate."""
        options = spec_of(job.order.payload).options
        if options.rate is None:
            return []
        since = self.now - options.rate.per_ms
        return [start for start in self.starts.get(options.rate_key or "", []) if start > since]

    def turn_of(self, job: Job) -> tuple[str, str] | None:
        """The order in which it stands."""
        key = spec_of(job.order.payload).options.ordering_key
        return None if key is None else (job.order.queue, key)


class Room:
    """What is free at a moment."""

    def __init__(self, model: Gated) -> None:
        self._model = model
        self._held = Counter(
            name for job in model.jobs.values() if job.state == ACTIVE for name, _ in model.rules.claims(job.order)
        )
        self._starting: Counter[str] = Counter()

    def fits(self, job: Job) -> bool:
        """May it start, if no other one does?"""
        if any(self._held[name] >= most for name, most in self._model.rules.claims(job.order)):
            return False
        turn = self._model.turn_of(job)
        if turn and self._turns[turn] != job.order.id:
            return False
        options = spec_of(job.order.payload).options
        if options.rate is None:
            return True
        return len(self._model.recent(job)) + self._starting[options.rate_key or ""] < options.rate.count

    def take(self, job: Job) -> bool:
        """Gives it what it needs to start; False if that is not there."""
        if not self.fits(job):
            return False
        self._held.update(name for name, _ in self._model.rules.claims(job.order))
        options = spec_of(job.order.payload).options
        if options.rate is not None:
            self._starting[options.rate_key or ""] += 1
        return True

    @cached_property
    def _turns(self) -> dict[tuple[str, str], str]:
        """Whose turn it is: of who has begun and not ended, and else of who came first."""
        turns: dict[tuple[str, str], str] = {}
        for job in sorted(self._model.jobs.values(), key=lambda job: (job.deliveries == 0, job.place)):
            turn = self._model.turn_of(job)
            if turn and job.state not in ENDED and (job.deliveries > 0 or job.state == WAITING):
                turns.setdefault(turn, job.order.id)
        return turns
