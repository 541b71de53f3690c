"""A store that grows, as several processes see it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack

import jobd
from jobd.catalog import Catalog
from jobd.store.homes import Home
from jobd.store.queries import Filter, list_jobs
from jobd.store.store import Store

QUEUES = [f"queue-{number}" for number in range(12)]
Open = Callable[..., Store]


async def put(store: Store, *queues: str) -> list[str]:
    """Enqueues a job into each of these queues; returns their ids."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(_lasting(store))
        return [(await client.enqueue("noop", {}, queue=queue)).id for queue in queues]


class _lasting:  # noqa: N801  a context that closes nothing
    def __init__(self, store: Store) -> None:
        self._store = store

    async def __aenter__(self) -> jobd.Client:
        return jobd.Client(store=self._store, catalog=Catalog())

    async def __aexit__(self, *_: object) -> None:
        """The store is somebody else's."""


def shard_for(store: Store, queue: str) -> int:
    """The number of the shard for jobs of a queue, as far as this process knows."""
    return (store.home_known(queue) or Home(len(store.shards))).shard(queue, "") or 0


async def places(store: Store) -> dict[str, set[int]]:
    """For each queue, the numbers of the shards in which there are jobs of it."""
    await store.learn(fresh_s=0)
    found: dict[str, set[int]] = {}
    for shard in store.shards:
        for field in await shard.link.command("HKEYS", shard.keys.fixed("counts")):
            found.setdefault(field.decode().partition(":")[2], set()).add(shard.number)
    return found


async def listed(store: Store) -> list[str]:
    found: list[str] = []
    cursor = None
    while True:
        page = await list_jobs(store, Filter(), limit=7, cursor=cursor)
        found += [job.id for job in page.jobs]
        if (cursor := page.cursor) is None:
            return found
