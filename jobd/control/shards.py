"""Shards: how many the store has, where they are, and how there come to be more."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobd.store.shard import Shard
    from jobd.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardFacts:
    """One shard of the store."""

    number: int
    """from 0 on"""
    node: str
    """the server that it is on now"""
    jobs: int
    """how many are in it, ended ones too"""
    workers: int
    """how many worker processes serve it"""


class ShardControl:
    """The part of a client that is about shards."""

    store: Store

    async def shards(self) -> list[ShardFacts]:
        """The shards of the store."""
        await self.store.learn(fresh_s=0)
        members = await self.store.members()
        shards = self.store.shards
        jobs = await asyncio.gather(*map(_jobs_in, shards))
        return [
            ShardFacts(
                number=shard.number,
                node=str(shard.link.owner.address),
                jobs=count,
                workers=sum(
                    member.shard == shard.number and member.kind == "worker" and member.alive for member in members
                ),
            )
            for shard, count in zip(shards, jobs, strict=True)
        ]

    async def grow(self, shards: int) -> list[ShardFacts]:
        """Lets the store have so many shards, while it is used. Queues that have been used stay in the shard where they
        are; queues that are new, and jobs without a key in spread queues, use the new shards too. If this breaks off,
        call it again, or leave it to the next process that enqueues. Raises OptionError for fewer than there are, and
        StateConflict if a job type is unique over all queues."""
        await self.store.grow(shards)
        return await self.shards()


async def _jobs_in(shard: Shard) -> int:
    return int(await shard.link.command("HLEN", shard.keys.fixed("jobs")))
