"""The roles of a process in shards that come while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

import jobd
from jobd.actors.actor import Actor
from jobd.errors import OptionError
from jobd.roles.membership import Membership
from jobd.roles.more_shards import MoreShards
from jobd.store.homes import shard_of
from jobd.store.shard import Shard
from jobd.store.store import Store
from tests.roles.parts import PATIENCE_S, Parts
from tests.roles.until import until
from tests.roles.working import working


class Player(Actor):
    """Writes down what is asked of it."""

    def __init__(self, name: str, played: list[str]) -> None:
        super().__init__(name)
        self._played = played

    @asynccontextmanager
    async def life(self) -> AsyncIterator[None]:
        self._played.append(f"{self.name} starts")
        yield
        self._played.append(f"{self.name} stops")

    async def quiet(self) -> None:
        self._played.append(f"{self.name} is quiet")

    async def drain(self) -> None:
        self._played.append(f"{self.name} is drained")

    async def interrupt(self) -> None:
        self._played.append(f"{self.name} is interrupted")


class Cast:
    """The actors of a process, two for each shard."""

    def __init__(self, store: Store) -> None:
        self.played: list[str] = []
        self.players: list[Player] = []
        self.more = MoreShards(store, self._of, len(store.shards), look_s=0.01)

    def _of(self, shard: Shard) -> list[Player]:
        made = [Player(f"{letter}{shard.number}", self.played) for letter in "ab"]
        self.players += made
        return made

    async def until_played(self, count: int) -> None:
        async def are_there() -> bool:
            return len(self.played) >= count

        await until(are_there)


@pytest.fixture
async def cast(parts: Parts) -> AsyncIterator[Cast]:
    cast = Cast(parts.store)
    await cast.more.start()
    yield cast
    await cast.more.stop()


async def test_new_shards_are_served_and_left_as_those_of_the_start(parts: Parts, cast: Cast) -> None:
    for number in (2, 3):
        await parts.store.grow(number)
        await cast.until_played(2 * number - 2)
    assert cast.played == ["a1 starts", "b1 starts", "a2 starts", "b2 starts"]
    cast.played.clear()
    await cast.more.quiet()
    await cast.more.drain()
    await cast.more.interrupt()
    assert cast.played == [
        f"{name} is {what}" for what in ("quiet", "drained", "interrupted") for name in ("a1", "b1", "a2", "b2")
    ]
    cast.played.clear()
    await cast.more.stop()
    assert cast.played == ["b2 stops", "a2 stops", "b1 stops", "a1 stops"]


async def test_who_goes_down_serves_no_new_shard(parts: Parts, cast: Cast) -> None:
    await cast.more.quiet()
    await parts.store.grow(3)
    await cast.more.stop()
    assert cast.played == []


async def test_one_that_fails_in_a_new_shard_fails_as_one_of_the_start_does(parts: Parts, cast: Cast) -> None:
    await parts.store.grow(2)
    await cast.until_played(2)
    broken = ValueError("broken")
    cast.players[1].fail(broken)
    assert await cast.more.wait_failed() is broken
    with pytest.raises(ValueError, match="broken"):
        await cast.more.stop()
    assert cast.played[-2:] == ["b1 stops", "a1 stops"]


async def test_a_growth_that_was_broken_off_is_ended_by_a_process_that_runs(parts: Parts, cast: Cast) -> None:
    await parts.shard._run("grow", "", "1>2")
    await cast.until_played(2)
    assert (await parts.store.learn()).had == (1, 2)


async def test_leases_in_a_new_shard_are_kept(parts: Parts) -> None:
    await parts.store.grow(3)
    shard = parts.store.shards[2]
    membership = Membership(
        parts.store, 2, kind="worker", lines=["*"], lease_ms=parts.settings.worker.lease, keeper=parts.keeper
    )
    await membership.join()

    async def lease() -> float:
        return float(await shard.link.command("ZSCORE", shard.keys.fixed("leases"), membership.id))

    first = await lease()

    async def is_renewed() -> bool:
        return await lease() > first

    await until(is_renewed)
    await membership.leave()


async def test_what_a_handler_enqueues_lives_with_all_of_its_queue_though_the_store_grew_meanwhile(
    parts: Parts,
) -> None:
    has_enqueued, grown = asyncio.Event(), asyncio.Event()
    refusals: list[str] = []

    @jobd.job("leaf")
    async def leaf() -> None: ...

    @jobd.job("root")
    async def root(ctx: jobd.Context) -> None:
        await ctx.enqueue(leaf, queue=before, delay="1h")
        has_enqueued.set()
        await grown.wait()
        try:
            await ctx.enqueue(leaf, queue=after, delay="1h")
        except OptionError as error:
            refusals.append(str(error))

    # with more shards neither would come into the first
    before, after = [queue for queue in map("q-{}".format, range(20)) if shard_of(queue, 4)][:2]
    other = Store.at(parts.store.url)
    async with working(parts, root, leaf) as client, jobd.Client(store=other, catalog=parts.catalog) as beside:
        handle = await client.enqueue(root)
        await has_enqueued.wait()
        await other.grow(4)
        for queue in (before, after):
            await beside.enqueue(leaf, queue=queue, delay="1h")
        grown.set()
        await handle.result(PATIENCE_S)
        counts = [len((await beside.list(queue=queue)).jobs) for queue in (before, after)]
    assert counts == [2, 1]
    assert len(refusals) == 1
    assert "it lives in another shard than the job that runs" in refusals[0]
