"""Shards: how many the store has, where they are, and how there come to be more."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jobd.domain.shard_facts import ShardFacts

if TYPE_CHECKING:
    from jobd.store.shard import Shard
    from jobd.store.store import Store


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

    async def spread_queues(self) -> list[str]:
        """The queues that are in all shards."""
        from jobd.store.homes import spread_queues

        return sorted(await spread_queues(self.store.shards[0]))

    async def grow(self, shards: int) -> list[ShardFacts]:
        """Lets the store have so many shards, while it is used; it never has fewer again. Queues that have been used
        stay in the shard where they are; queues that are new, and jobs without a key in spread queues, use the new
        shards too. If this breaks off, call it again, or leave it to the next process that enqueues. Raises OptionError
        for fewer than there are, and StateConflict if a job type is unique over all queues."""
        await self.store.grow(shards)
        return await self.shards()

    async def check_growth(self, shards: int) -> int:
        """How many shards the store has, if it could `grow` to so many: nothing is done. Raises what `grow` would."""
        return await self.store.check_growth(shards)


async def _jobs_in(shard: Shard) -> int:
    return int(await shard.link.command("HLEN", shard.keys.fixed("jobs")))
