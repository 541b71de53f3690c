"""Unique keys: who has one, and how it is freed by hand."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Unpack

from jobd.domain.options import read_options
from jobd.domain.unique import KeyPage, UniqueKey
from jobd.errors import InvalidRequest, UniqueConflict

if TYPE_CHECKING:
    from jobd.domain.jobtype import JobType
    from jobd.domain.keywords import JobOptions
    from jobd.domain.options import Options
    from jobd.intake import Intake
    from jobd.store.store import Store

MOST_KEYS = 1_000
_CURSOR = re.compile(r"(\d{1,4})-(\d{1,20})", re.ASCII)


class UniqueControl(ABC):
    """The part of a client that is about unique keys."""

    store: Store

    @property
    @abstractmethod
    def intake(self) -> Intake:
        """What checks requests before they are sent."""

    async def unique_owner(
        self, job_type: JobType[Any, Any] | str, payload: object = None, **options: Unpack[JobOptions]
    ) -> UniqueKey | None:
        """Who has the unique key that a job would have which is enqueued with these arguments; None if nobody has. A
        payload is needed only where it makes the key. Raises as `enqueue` does, and OptionError if it would have
        none."""
        return await self.unique_owner_of(job_type, payload, read_options(options))

    async def unique_owner_of(
        self, job_type: JobType[Any, Any] | str, payload: object, options: Options
    ) -> UniqueKey | None:
        """The same for options that have been read."""
        from jobd.intake import Request

        queue, name = await self.intake.unique_key(Request(job_type, payload, options))
        for shard in await self.store.shards_with(queue):
            if key := await shard.unique_key(name):
                return key
        return None

    async def unique_key(self, name: str) -> UniqueKey | None:
        """Who has the unique key of this name, which a job tells as `unique_key`; None if nobody has."""
        await self.store.learn()
        for shard in self.store.shards:
            if key := await shard.unique_key(name):
                return key
        return None

    async def unique_keys(self, *, limit: int = 50, cursor: str | None = None) -> KeyPage:
        """About `limit` (1 to 1 000) of the unique keys that are owned, in no order; all that stand while the pages are
        read are in one of them. Raises InvalidRequest."""
        if not 1 <= limit <= MOST_KEYS:
            raise InvalidRequest(f"limit: {limit} is not from 1 to {MOST_KEYS:,}")
        await self.store.learn()
        match = _CURSOR.fullmatch(cursor or "0-0")
        if match is None or int(match[1]) >= len(self.store.shards):
            raise InvalidRequest(f"cursor: {cursor!r} is not one that a page named")
        number, start = int(match[1]), int(match[2])
        keys: list[UniqueKey] = []
        while len(keys) < limit and number < len(self.store.shards):
            more, start = await self.store.shards[number].unique_keys(start, limit - len(keys))
            keys += more
            number += start == 0
        return KeyPage(tuple(keys), f"{number}-{start}" if number < len(self.store.shards) else None)

    async def free_unique_key(self, name: str, *, owner: str | None = None) -> UniqueKey | None:
        """Frees the unique key of this name, if the job `owner` has it, where one is named: the next job may have it.
        The owner goes on without it, and a job that waited for its end waits no longer. Returns who had it, None if
        nobody. Raises UniqueConflict if another one than `owner` has it."""
        await self.store.learn()
        for shard in self.store.shards:
            freed, key = await shard.free_unique(name, owner or "")
            if key is not None and not freed:
                raise UniqueConflict(f"job {key.owner} has the unique key {name}, not {owner}", key.owner)
            if key is not None:
                return key
        return None
