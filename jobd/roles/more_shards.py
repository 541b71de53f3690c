"""The roles of a process in shards that its store got while it ran."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

from anyio import create_task_group

from jobd import log
from jobd.actors.actor import Actor
from jobd.errors import StoreError
from jobd.store.shard import Shard
from jobd.store.store import Store

LOOK_S = 2.0
"""seconds between two looks at how many shards there are"""


class MoreShards(Actor):
    """Starts for each new shard the actors that those of the start are for theirs, and takes them down with itself."""

    def __init__(
        self, store: Store, actors_of: Callable[[Shard], Iterable[Actor]], served: int, *, look_s: float = LOOK_S
    ) -> None:
        """`actors_of` makes the actors of a shard, in the order of their start; the first `served` shards have
        theirs."""
        super().__init__("more shards")
        self._store = store
        self._actors_of = actors_of
        self._look_s = look_s
        self._served = served
        self._actors: list[Actor] = []
        self._log = log.get("store")
        self._closing = False

    @asynccontextmanager
    async def life(self) -> AsyncIterator[None]:
        """Open: it looks from time to time."""
        async with AsyncExitStack() as stops, create_task_group() as tasks:
            tasks.start_soon(self._look, stops)
            yield
            tasks.cancel_scope.cancel()

    async def quiet(self) -> None:
        """None is added any more; those that are there take no more."""
        self._closing = True
        await self._all("quiet")

    async def drain(self) -> None:
        """Returns when nothing runs in them any more."""
        await self._all("drain")

    async def interrupt(self) -> None:
        """Breaks off what runs in them."""
        await self._all("interrupt")

    async def _all(self, step: str) -> None:
        await asyncio.gather(*(getattr(actor, step)() for actor in self._actors if actor.ready))

    async def _look(self, stops: AsyncExitStack) -> None:
        async with create_task_group() as watchers:
            while True:
                await asyncio.sleep(self._look_s)
                try:
                    numbers = await self._store.learn(fresh_s=0)
                    if numbers.growing_to:
                        await self._store.grow(numbers.growing_to)  # who began it may have died
                except StoreError:
                    continue  # weather, which others tell of
                for shard in self._store.shards[self._served :]:
                    if self._closing:
                        return
                    for actor in self._actors_of(shard):
                        self._actors.append(actor)
                        stops.push_async_callback(actor.stop)
                        await actor.start()
                        watchers.start_soon(self._watch, actor)
                    self._served = shard.number + 1
                    self._log.info("the store has grown; its new shard is served", shard=shard.number)

    async def _watch(self, actor: Actor) -> None:
        self.fail(await actor.wait_failed())
