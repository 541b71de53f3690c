"""Where jobs live: in which shard of a store of several.

A queue keeps the number of shards that there were when it was first used, whatever the store grows to: its jobs stay
together, and so do their order and all that limits them. That number is written down in the first shard before the
first job is sent, so that all find the same. A queue that is spread has jobs in all shards: those with a key that
orders or limits them in one by that key, and by that same number; the others in any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from jobd.store.codec import LETTERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobd.store.shard import Shard


class Home(NamedTuple):
    """Where the jobs of a queue live."""

    width: int
    """of so many shards, one is chosen by name or key"""
    spread: bool = False
    """are jobs without a key in all shards?"""
    by_key: bool = False
    """are those with a key in the shard of that? Else in that of their queue: it was used before it was spread"""

    @classmethod
    def read(cls, said: bytes) -> Home:
        """'4', '4+' (spread when it had been used) or '4*' (spread from the beginning)."""
        text = said.decode()
        return cls(int(text.rstrip("+*")), text[-1] in "+*", text[-1] == "*")

    def __str__(self) -> str:
        return f"{self.width}{'*' if self.by_key else '+' if self.spread else ''}"

    def shard(self, queue: str, key: str = "") -> int | None:
        """The number of the shard for a job of this queue with this key ('': none); None if any will do."""
        if self.spread and not key:
            return None
        return shard_of(key if self.by_key else queue, self.width)


ALONE = Home(1)
"""of every queue, where there is one shard"""


def shard_of(name: str, shards: int) -> int:
    """One of so many shards, by a name."""
    return crc32(name.encode()) % shards if shards > 1 else 0


async def find_home(shards: Sequence[Shard], had: Sequence[int], queue: str) -> Home:
    """The home of a queue, written down now if it has none yet. `had` are the numbers of shards that there were."""
    if (home := await written_home(shards[0], queue)) is None:
        # it may have been used before the store grew
        width = await width_when_used(shards, had[:-1], queue) or had[-1]
        home = await write_home(shards[0], queue, Home(width))
    return home


async def write_home(first: Shard, queue: str, home: Home) -> Home:
    """Writes down the home of a queue that has none; returns the one that it has then."""
    await first.link.command("HSETNX", first.keys.fixed("homes"), queue, str(home))
    return await written_home(first, queue) or home


async def spread_home(shards: Sequence[Shard], had: Sequence[int], queue: str) -> Home:
    """The same for a queue that is spread from now on."""
    home = await written_home(shards[0], queue)
    if home is None:
        width = await width_when_used(shards, had, queue)
        new = Home(width, spread=True) if width else Home(had[-1], spread=True, by_key=True)
        home = await write_home(shards[0], queue, new)
    if not home.spread:
        home = home._replace(spread=True)
        await shards[0].link.command("HSET", shards[0].keys.fixed("homes"), queue, str(home))
    return home


async def width_when_used(shards: Sequence[Shard], had: Sequence[int], queue: str) -> int | None:
    """Of these numbers of shards the first with which a queue was used; None if it was not."""
    fields = [f"{letter}:{queue}" for letter in LETTERS.values()]
    for width in had:
        there = shards[shard_of(queue, width)]
        if any(await there.link.command("HMGET", there.keys.fixed("counts"), *fields)):
            return width
    return None


async def spread_queues(first: Shard) -> dict[str, Home]:
    """All queues that are spread."""
    from jobd.store.link import pairs

    fields = pairs(await first.link.command("HGETALL", first.keys.fixed("homes")))
    return {name.decode(): home for name, said in fields if (home := Home.read(said)).spread}


async def written_home(first: Shard, queue: str) -> Home | None:
    """The home of a queue, as far as it is written down."""
    said = await first.link.command("HGET", first.keys.fixed("homes"), queue)
    return None if said is None else Home.read(said)
