"""The store: its shards, and which of them a job, a queue or a question belongs to."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from jobd.domain.ids import is_made_id
from jobd.domain.job import Job, LogLine
from jobd.domain.state import State
from jobd.errors import JobNotFound, StoreDenied, StoreRefused
from jobd.store.acceptance import Acceptance
from jobd.store.codec import LETTERS, STATES
from jobd.store.durability import Durability, durability_of
from jobd.store.gathering import Gathering
from jobd.store.inbox import Inbox
from jobd.store.link import PATIENCE_S, pairs
from jobd.store.member import Member
from jobd.store.reports import unpack_log_lines
from jobd.store.shard import Retention, Shard
from jobd.store.topology.owner import topology_at
from jobd.store.topology.topology import Topology
from jobd.store_url import masked

OLDEST = {"redis": (7, 0), "valkey": (7, 2)}
MOST_GETS = 50
"""jobs that are read together; each may have a payload and a result of a megabyte"""
_VERSION = re.compile(r"^(redis|valkey)_version:(\S+)", re.MULTILINE)


class Store(Acceptance):
    """All shards together."""

    def __init__(self, url: str, topology: Topology, prefix: str, retention: Retention | None, shards: int) -> None:
        self.url = url
        self._gets: dict[Shard, Gathering[str, Job | None]] = {}
        super().__init__(topology, f"the store at {masked(url)}", prefix, retention, shards)

    @classmethod
    def at(cls, url: str, *, prefix: str = "jobd", retention: Retention | None = None, shards: int = 1) -> Store:
        """The store at a Redis URL; it connects on first use, and is refused then if it never had this number of
        shards. Raises SettingsError if the URL cannot be understood."""
        return cls(url, topology_at(url), prefix, retention, shards)

    def _shard(self, number: int, among: int) -> Shard:
        shard = super()._shard(number, among)
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


def not_found(job_id: str) -> JobNotFound:
    return JobNotFound(f"there is no job {job_id}: it never was, or its retention has ended")
