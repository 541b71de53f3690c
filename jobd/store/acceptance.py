"""How jobs are taken in: each where it belongs, those of one shard all or none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from hashlib import blake2b

from jobd.domain.delivery import Met, NewJob
from jobd.errors import EnqueueExpired, OptionError, QueueFull, StoreError, UniqueConflict
from jobd.store.agreement import Outgrown
from jobd.store.dated import enqueue_dated
from jobd.store.gathering import Gathering
from jobd.store.growing import Growing
from jobd.store.intake_words import DELAYED, MOST_COST, OWN_TIME, UNIQUE, WHOLE
from jobd.store.link import PATIENCE_S
from jobd.store.once import AnsweredBefore, Once, answer_to
from jobd.store.shard import BATCH, BATCH_BYTES, Retention, Shard
from jobd.store.topology.topology import Topology

_ROUNDS = 5
"""how often jobs are sent to other shards because the store has just grown"""
_MOST_DATED = 50
"""jobs that are taken in together and asked when"""


class Acceptance(Growing):
    """The part of a store that takes in jobs."""

    def __init__(self, topology: Topology, where: str, prefix: str, retention: Retention | None, shards: int) -> None:
        self._enqueues: dict[Shard, Gathering[NewJob, bool | Met]] = {}
        self._dated_enqueues: dict[Shard, Gathering[NewJob, tuple[bool | Met, float | None]]] = {}
        super().__init__(topology, where, prefix, retention, shards)

    def _shard(self, number: int, among: int) -> Shard:
        shard = super()._shard(number, among)
        self._enqueues[shard] = Gathering(shard.enqueue, most=BATCH, most_bytes=BATCH_BYTES, size=_spec_size)
        self._dated_enqueues[shard] = Gathering(
            partial(enqueue_dated, shard), most=_MOST_DATED, most_bytes=BATCH_BYTES, size=_spec_size
        )
        return shard

    async def enqueue(self, jobs: Sequence[NewJob], *, patience_s: float = PATIENCE_S) -> list[bool | Met]:
        """Takes in any number of jobs; those of one shard all or none. For each, in order: was it made (False: its id
        existed already; Met: another job has its unique key)? Raises EnqueueExpired, StoreUnavailable (unknown whether
        it took effect), StoreFull, UniqueConflict, and OptionError for more than 1 000 jobs with one that may give its
        data to another."""
        if len(self.shards) == 1:
            try:
                return await self._enqueue(self.shards[0], jobs, patience_s)
            except Outgrown as refusal:
                await self.follow(refusal)
        made: dict[int, bool | Met] = {}

        async def send(shard: Shard, here: Sequence[int]) -> None:
            made.update(zip(here, await self._enqueue(shard, [jobs[at] for at in here], patience_s), strict=True))

        await self._to_their_shards(jobs, range(len(jobs)), send)
        return [made[at] for at in range(len(jobs))]

    async def enqueue_one(self, job: NewJob) -> bool | Met:
        """The same for one job."""
        if len(self.shards) == 1 and not job.replicated:
            try:
                return await self._enqueues[self.shards[0]].answer(job)
            except Outgrown as refusal:
                await self.follow(refusal)
        return (await self.enqueue([job]))[0]

    async def enqueue_dated(self, job: NewJob) -> tuple[bool | Met, float | None]:
        """The same for one job, and when it was taken in, in milliseconds since 1970; None if that is not known."""
        if not job.replicated:
            if len(self.shards) > 1:
                await self.home_of(job.queue)
            try:
                return await self._dated_enqueues[self.shards[self.shard_of_new(job)]].answer(job)
            except Outgrown as refusal:
                await self.follow(refusal)
        return (await self.enqueue([job]))[0], None

    async def enqueue_once(self, jobs: Sequence[NewJob], once: Once) -> tuple[list[tuple[str, str]], bool]:
        """The same for a request that may come again: in the next 24 hours it is answered alike, whatever has become of
        the jobs, which are not made again. For each: "created", "existing" or "replaced", and an id; and: was this
        answered before? Raises also IdempotencyMismatch if another request came under this name."""
        first: dict[str, int] = {}
        for at, job in enumerate(jobs):
            first.setdefault(job.id, at)
        answers: dict[int, tuple[str, str]] = {}
        before = []

        async def send(shard: Shard, here: Sequence[int]) -> None:
            try:
                made = await self._enqueue(shard, [jobs[at] for at in here], PATIENCE_S, once)
                told = [answer_to(jobs[at], fate) for at, fate in zip(here, made, strict=True)]
                before.append(False)
            except AnsweredBefore as known:
                told = known.answers
                before.append(True)
            answers.update(zip(here, told, strict=True))

        await self._to_their_shards(jobs, first.values(), send)
        again = [(at, ("existing", answers[first[job.id]][1])) for at, job in enumerate(jobs) if at not in answers]
        return [words for _, words in sorted([*answers.items(), *again])], all(before)

    async def _to_their_shards(
        self, jobs: Sequence[NewJob], which: Iterable[int], send: Callable[[Shard, Sequence[int]], Awaitable[None]]
    ) -> None:
        """Sends to each shard those that belong there; what one refuses because the store grows, to where it belongs
        then."""
        left, refusal = list(which), None
        for _ in range(_ROUNDS):
            if refusal is not None:
                await self.follow(refusal)
            for queue in {jobs[at].queue for at in left}:
                await self.home_of(queue)
            by_shard: dict[Shard, list[int]] = {}
            for at in left:
                by_shard.setdefault(self.shards[self.shard_of_new(jobs[at])], []).append(at)
            left = []
            for shard, here in by_shard.items():
                try:
                    await send(shard, here)
                except Outgrown as error:
                    refusal = error
                    left += here
            if not left:
                return
        raise refusal or AssertionError("only a refusal leaves any")

    async def _enqueue(
        self, shard: Shard, jobs: Sequence[NewJob], patience_s: float, once: Once | None = None
    ) -> list[bool | Met]:
        if not jobs:
            return []
        replicated = any(job.replicated for job in jobs)
        if once is None and len(jobs) == 1 and patience_s == PATIENCE_S and not replicated:
            return [await self._enqueues[shard].answer(jobs[0])]
        if _is_for_one_script(jobs):
            return await shard.enqueue(jobs, once=once, patience_s=patience_s)
        first: dict[str, int] = {}
        for at, job in enumerate(jobs):
            first.setdefault(job.id, at)
        if any(job.gives_data for job in jobs):
            # what it would change must not stay changed when the rest never comes
            raise OptionError(
                f"unique: jobs whose mode is debounce, replace or keep_last go in batches of up to {WHOLE:,}; this has "
                f"{len(jobs):,} jobs"
            )
        # the same jobs sent again are the same batch, and nothing else is
        batch = blake2b(" ".join(first).encode(), digest_size=15).hexdigest()
        stands: dict[str, bool | Met] = {}
        try:
            for portion in _portions([jobs[at] for at in first.values()]):
                staged = await shard.stage(batch, portion, once=once, patience_s=patience_s)
                stands.update((job.id, here) for job, here in zip(portion, staged, strict=True))
            # who comes again is told that it is there, or again whom it met
            made = [stands[job.id] if first[job.id] == at else stands[job.id] and False for at, job in enumerate(jobs)]
            answers = [answer_to(job, fate) for job, fate in zip(jobs, made, strict=True)] if once else []
            size = sum(map(bool, made))
            whole = not (size or once) or await shard.commit(
                batch, size, once=once, answers=answers, replicated=replicated, patience_s=patience_s
            )
        except (UniqueConflict, QueueFull, AnsweredBefore):
            while await shard.release(batch, give_up=True) > 0:
                pass
            raise
        if not whole:
            raise EnqueueExpired(
                f"the batch of {len(jobs)} jobs was not whole in the store in time; none will run; send it again"
            )
        if size:
            with suppress(StoreError):  # they are taken in; what we do not release now, a monitor will
                while await shard.release(batch) > 0:
                    pass
        return made


def _is_for_one_script(jobs: Sequence[NewJob]) -> bool:
    """May they come whole?"""
    if len(jobs) > WHOLE or sum(len(job.spec) for job in jobs) > BATCH_BYTES:
        return False
    return len(jobs) == 1 or _cost(jobs) <= MOST_COST or any(job.gives_data for job in jobs)


def _cost(jobs: Sequence[NewJob]) -> int:
    """What it costs the server to take them in, in plain jobs."""
    delayed = [job.due for job in jobs if job.due]
    unique = sum(job.unique for job in jobs)
    return len(jobs) + DELAYED * len(delayed) + OWN_TIME * len(set(delayed)) + UNIQUE * unique


def _spec_size(job: NewJob) -> int:
    return len(job.spec)


def _portions(jobs: Sequence[NewJob]) -> Iterator[Sequence[NewJob]]:
    """The jobs in portions of what one script may take in."""
    start = size = cost = 0
    times: set[str] = set()
    for at, job in enumerate(jobs):
        size += len(job.spec)
        cost += _cost([job]) - OWN_TIME * bool(job.due and job.due in times)
        times.add(job.due)
        if at > start and (at - start == BATCH or size > BATCH_BYTES or cost > MOST_COST):
            yield jobs[start:at]
            start, size, cost, times = at, len(job.spec), _cost([job]), {job.due}
    yield jobs[start:]
