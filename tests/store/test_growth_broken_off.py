"""A growth of the store that breaks off, or that several make at once."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from jobd.store.homes import Home, write_home
from jobd.store.rules import FENCE
from jobd.store.shard import Shard
from tests.store.growing import QUEUES, Open, listed, places, put


@pytest.mark.parametrize("steps", range(10))
async def test_a_growth_that_breaks_off_is_ended_by_whoever_enqueues(
    open_store: Open, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    stale, grower, fresh = open_store(2), open_store(2), open_store(2)
    old = await put(stale, *QUEUES)
    homes = await places(stale)
    left = [steps]
    for shard in grower.shards:
        shard.link.run = _dies(shard.link.run, left)  # type: ignore[method-assign]  # a process that dies after so many steps
    monkeypatch.setattr(grower, "_shard", _made_mortal(grower._shard, left))
    with suppress(ConnectionAbortedError):
        await grower.grow(3)
    assert (left[0] < 0) == (steps < 5)
    if (await open_store(2).learn()).now == 3:  # whoever has read that may put queues into the new shard
        fences = [(await shard.rule(FENCE)).get("set") for shard in open_store(3).shards]
        assert fences == [{"shards": 3}] * 3
    new = [*await put(stale, *QUEUES), *await put(fresh, *QUEUES, "fresh-1", "fresh-2"), *await put(stale, "fresh-2")]
    assert {queue: found for queue, found in (await places(fresh)).items() if queue in homes} == homes
    assert {len(found) for found in (await places(fresh)).values()} == {1}
    for store in (stale, fresh):
        assert sorted(await listed(store)) == sorted([*old, *new])
    assert (await fresh.grow(3)).had == (2, 3)


def _dies(run: Any, left: list[int]) -> Any:
    async def mortal(*words: Any, **more: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise ConnectionAbortedError
        return await run(*words, **more)

    return mortal


def _made_mortal(make: Any, left: list[int]) -> Any:
    def made(number: int, among: int) -> Shard:
        shard: Shard = make(number, among)
        shard.link.run = _dies(type(shard.link).run.__get__(shard.link), left)  # type: ignore[method-assign]  # as above
        return shard

    return made


async def test_several_let_it_grow_at_once(open_store: Open) -> None:
    stores = [open_store() for _ in range(4)]
    old = await put(stores[0], *QUEUES)
    await asyncio.gather(*(store.grow(number) for store, number in zip(stores, (8, 8, 8, 8), strict=True)))
    grown, put_in = await asyncio.gather(
        asyncio.gather(*(store.grow(12) for store in stores)),
        asyncio.gather(*(put(store, *QUEUES) for store in stores)),
    )
    assert {numbers.had for numbers in grown} == {(1, 8, 12)}
    assert sorted(await listed(stores[2])) == sorted([*old, *(one for ids in put_in for one in ids)])
    assert await places(stores[1]) == {queue: {0} for queue in QUEUES}


async def test_what_another_one_has_written_down_stays(open_store: Open) -> None:
    store = open_store()
    await store.grow(2)
    first = store.shards[0]
    assert await first._run("grow", "1 2", "1 2>5") == 1
    assert await first._run("grow", "1 2", "1 2>5") == 1  # its repeat
    assert await first._run("grow", "1 2", "1 2>8") == 0
    assert (await store.learn(fresh_s=0)).growing_to == 5
    assert await write_home(first, "queue-1", Home(1)) == Home(1)
    assert await write_home(first, "queue-1", Home(2)) == Home(1)


async def test_a_shard_that_has_forgotten_how_many_there_are_is_told_again(open_store: Open) -> None:
    store = open_store()
    await store.grow(2)
    await store.grow(3)
    for shard in store.shards:  # as after a failover to a replica that was behind
        await shard.set_rule(FENCE, {"shards": 2})
    await put(store, *QUEUES)
    for shard in store.shards:
        assert (await shard.rule(FENCE))["set"] == {"shards": 3}
