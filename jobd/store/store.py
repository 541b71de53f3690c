"""The store: its shards, and which of them a job, a queue or a question belongs to."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import Any

import orjson

from jobd.domain.delivery import Met, NewJob
from jobd.domain.ids import is_made_id
from jobd.domain.job import Job, LogLine
from jobd.domain.state import State
from jobd.errors import (
    EnqueueExpired,
    JobNotFound,
    OptionError,
    QueueFull,
    StoreDenied,
    StoreError,
    StoreRefused,
    UniqueConflict,
)
from jobd.store.agreement import Outgrown
from jobd.store.codec import LETTERS, STATES
from jobd.store.dated import enqueue_dated
from jobd.store.durability import Durability, durability_of
from jobd.store.gathering import Gathering
from jobd.store.growing import Growing
from jobd.store.inbox import Inbox
from jobd.store.intake_words import DELAYED, MOST_COST, OWN_TIME, UNIQUE, WHOLE
from jobd.store.link import PATIENCE_S, pairs
from jobd.store.once import AnsweredBefore, Once, answer_to
from jobd.store.reports import unpack_log_lines
from jobd.store.shard import BATCH, BATCH_BYTES, Retention, Shard
from jobd.store.topology.owner import topology_at
from jobd.store.topology.topology import Topology
from jobd.store_url import masked

OLDEST = {"redis": (7, 0), "valkey": (7, 2)}
_ROUNDS = 5
"""how often jobs are sent to other shards because the store has just grown"""
MOST_GETS = 50
"""jobs that are read together; each may have a payload and a result of a megabyte"""
_VERSION = re.compile(r"^(redis|valkey)_version:(\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A process that has joined: a worker, a scheduler, a monitor."""

    id: str
    kind: str
    lines: tuple[str, ...]
    """the queues it serves; '*' is all, '!…' suspects"""
    about: Mapping[str, Any]
    """host, pid, slots and the like"""
    joined_at_ms: float
    lease_until_ms: float
    alive: bool
    holds: int
    """jobs in its hands"""
    shard: int = 0
    """the number of the shard that it serves"""


class Store(Growing):
    """All shards together."""

    def __init__(self, url: str, topology: Topology, prefix: str, retention: Retention | None, shards: int) -> None:
        self.url = url
        self._enqueues: dict[Shard, Gathering[NewJob, bool | Met]] = {}
        self._dated_enqueues: dict[Shard, Gathering[NewJob, tuple[bool | Met, float | None]]] = {}
        self._gets: dict[Shard, Gathering[str, Job | None]] = {}
        super().__init__(topology, f"the store at {masked(url)}", prefix, retention, shards)

    @classmethod
    def at(cls, url: str, *, prefix: str = "jobd", retention: Retention | None = None, shards: int = 1) -> Store:
        """The store at a Redis URL; it connects on first use, and is refused then if it never had this number of
        shards. Raises SettingsError if the URL cannot be understood."""
        return cls(url, topology_at(url), prefix, retention, shards)

    def _shard(self, number: int, among: int) -> Shard:
        shard = super()._shard(number, among)
        self._enqueues[shard] = Gathering(shard.enqueue, most=BATCH, most_bytes=BATCH_BYTES, size=_spec_size)
        self._dated_enqueues[shard] = Gathering(
            partial(enqueue_dated, shard), most=MOST_GETS, most_bytes=BATCH_BYTES, size=_spec_size
        )
        self._gets[shard] = Gathering(shard.get, most=MOST_GETS)
        return shard

    async def check(self, *, patience_s: float = PATIENCE_S) -> None:
        """Raises StoreUnavailable or StoreRefused if it cannot be worked with."""
        for shard in self.shards:
            await shard.link.command("PING", patience_s=patience_s)

    async def require_version(self) -> str:
        """The kind and version of the server. Raises StoreRefused if it is too old, StoreUnavailable."""
        found = ""
        await self.learn()
        for shard in self.shards:
            try:
                said = await shard.link.command("INFO", "server")
            except StoreDenied:
                continue  # a user without the right to ask; the scripts will say what they miss
            versions: dict[str, str] = dict(_VERSION.findall(said.decode()))
            kind = "valkey" if "valkey" in versions else "redis"
            found = f"{kind} {versions[kind]}"
            if tuple(int(part) for part in versions[kind].split(".")[:2]) < OLDEST[kind]:
                oldest = " or ".join(f"{name} {major}.{minor}" for name, (major, minor) in OLDEST.items())
                raise StoreRefused(f"the server at {masked(self.url)} is {found}; jobd needs at least {oldest}")
        return found

    async def durability(self) -> Durability:
        """What its servers keep when they go down. Raises StoreRefused where one would throw away jobs when it is full,
        StoreUnavailable."""
        return await durability_of(shard.link for shard in self.shards)

    def inbox(self, member: str, shard: Shard) -> Inbox:
        """The words that scripts leave for a member of a shard."""
        return Inbox(shard.link.owner, shard.keys.inbox(member))

    # --- jobs ----------------------------------------------------------------------------------------------------

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

    async def get(self, job_id: str) -> Job:
        """The job of this id, as it is now. Raises JobNotFound."""
        for shard in self.shards_of(job_id):
            if job := await self._gets[shard].answer(job_id):
                return job
        if await self.has_grown():
            return await self.get(job_id)
        raise not_found(job_id)

    async def get_many(self, job_ids: Sequence[str]) -> list[Job]:
        """Those of these jobs that are there."""
        found: dict[str, Job] = {}
        named: dict[Shard, list[str]] = {}
        for job_id in job_ids:
            if is_made_id(job_id):
                named.setdefault(self.shards_of(job_id)[0], []).append(job_id)
        for shard, ids in named.items():
            found |= {job.id: job for job in await shard.get(ids) if job is not None}
        for shard in self.shards:
            if wanted := [job_id for job_id in job_ids if job_id not in found and job_id not in named.get(shard, ())]:
                found |= {job.id: job for job in await shard.get(wanted) if job is not None}
        return list(found.values())

    async def logs(self, job_id: str) -> list[LogLine]:
        """The log lines of a job, the oldest first; the last 1 000 are kept."""
        for shard in self.shards_of(job_id):
            lines = await shard.link.command("LRANGE", shard.keys.logs(job_id), 0, -1)
            if lines:
                return unpack_log_lines(lines)
        return []

    async def cancel(self, job_id: str, facts: Mapping[str, Any]) -> str:
        """See Shard.cancel. Raises JobNotFound."""
        for shard in self.shards_of(job_id):
            word = (await shard.cancel([job_id], facts))[0]
            if word != "missing":
                return word
        if await self.has_grown():
            return await self.cancel(job_id, facts)
        raise not_found(job_id)

    async def retry(self, job_id: str) -> str:
        """See Shard.retry. Raises JobNotFound."""
        for shard in self.shards_of(job_id):
            word = (await shard.retry([job_id]))[0]
            if word != "missing":
                return word
        if await self.has_grown():
            return await self.retry(job_id)
        raise not_found(job_id)

    # --- the whole -----------------------------------------------------------------------------------------------

    async def counts(self) -> dict[str, dict[State, int]]:
        """For each queue that ever had a job: how many are in each state."""
        await self.learn()
        counts: dict[str, dict[State, int]] = {}
        for shard in self.shards:
            fields = await shard.link.command("HGETALL", shard.keys.fixed("counts"))
            for name, value in pairs(fields):
                letter, _, queue = name.decode().partition(":")
                states = counts.setdefault(queue, dict.fromkeys(LETTERS, 0))
                states[STATES[letter]] += int(value)
        return dict(sorted(counts.items()))

    async def members(self) -> list[Member]:
        """The processes that have joined and not left, with what each holds."""
        await self.learn()
        found = []
        for shard in self.shards:
            now_ms = (await shard.now_us()) / 1_000
            leases = await shard.link.command("ZRANGE", shard.keys.fixed("leases"), 0, -1, "WITHSCORES")
            for name, until in pairs(leases):
                member = name.decode()
                lines, about, joined = await shard.link.command(
                    "HMGET", shard.keys.member(member), "lines", "about", "joined"
                )
                if about is None:
                    continue  # it left between the two questions
                facts = orjson.loads(about)
                found.append(
                    Member(
                        id=member,
                        kind=facts.get("kind", "worker"),
                        lines=tuple(lines.decode().split()),
                        about=facts,
                        joined_at_ms=float(joined),
                        lease_until_ms=float(until),
                        alive=float(until) >= now_ms,
                        holds=int(await shard.link.command("ZCARD", shard.keys.held(member))),
                        shard=shard.number,
                    )
                )
        return found

    async def tell_types(self, types: Mapping[str, Mapping[str, Any]]) -> None:
        """Makes known what job types there are, with their defaults, to those without the plugins."""
        if types:
            for shard in self.shards:
                told = [part for name, facts in types.items() for part in (name, orjson.dumps(facts))]
                await shard.link.command("HSET", shard.keys.fixed("types"), *told)

    async def known_types(self) -> dict[str, dict[str, Any]]:
        """The job types that workers have made known, with their defaults."""
        shard = self.shards[0]
        fields = await shard.link.command("HGETALL", shard.keys.fixed("types"))
        return {name.decode(): orjson.loads(facts) for name, facts in pairs(fields)}


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


def not_found(job_id: str) -> JobNotFound:
    return JobNotFound(f"there is no job {job_id}: it never was, or its retention has ended")
