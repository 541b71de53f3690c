"""A store of several shards: where things are, and that all agree on how many there are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

import jobd
from jobd.catalog import Catalog
from jobd.domain.state import State
from jobd.errors import JobNotFound, OptionError, StoreRefused
from jobd.settings import Settings
from jobd.store.queries import Filter, list_jobs
from jobd.store.scripts import load
from jobd.store.store import Store
from tests.store.growing import shard_for
from tests.store.hands import new_job

QUEUES = [f"queue-{number}" for number in range(12)]


@pytest.fixture
async def three(redis_url: str) -> AsyncIterator[Store]:
    store = Store.at(redis_url, shards=3)
    yield store
    await store.close()


async def told(url: str, shards: int, prefix: str = "jobd") -> None:
    store = Store.at(url, prefix=prefix, shards=shards)
    try:
        await store.check()
    finally:
        await store.close()


# --- agreement -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "second"), [(3, 1), (3, 2), (3, 4)])
async def test_another_number_than_the_first_is_refused(redis_url: str, first: int, second: int) -> None:
    await told(redis_url, first)
    with pytest.raises(StoreRefused, match=rf"set up with {first} shards.*say {second}.*JOBD_SHARDS\) to {first}"):
        await told(redis_url, second)
    await told(redis_url, first)


async def test_a_store_that_was_used_as_one_shard_stays_one(redis_url: str) -> None:
    store = Store.at(redis_url)
    await store.enqueue([new_job()])
    await store.close()
    with pytest.raises(StoreRefused, match="set up with 1 shard, "):
        await told(redis_url, 3)
    await told(redis_url, 1)


async def test_a_store_that_was_only_looked_at_may_get_any_number_and_keeps_it_when_it_is_used(redis_url: str) -> None:
    await told(redis_url, 1)
    await told(redis_url, 3)
    store = Store.at(redis_url, shards=3)
    for shard in store.shards:
        await shard.enqueue([new_job()])
    await store.close()
    await told(redis_url, 3)


async def test_each_prefix_is_a_store_of_its_own(redis_url: str) -> None:
    await told(redis_url, 3, "one")
    await told(redis_url, 2, "two")


async def test_whoever_disagrees_changes_nothing_whichever_shard_he_begins_with(redis_url: str, three: Store) -> None:
    await three.check()
    stranger = Store.at(redis_url, shards=4)
    for shard in (*reversed(stranger.shards), *stranger.shards):  # also one whose connection stands
        with pytest.raises(StoreRefused):
            await shard.enqueue([new_job()])
    await stranger.close()
    assert await three.counts() == {}


async def test_a_client_of_other_settings_is_refused_before_it_does_anything(redis_url: str, three: Store) -> None:
    await three.check()
    settings = Settings.model_validate({"redis_url": redis_url})
    async with jobd.Client(settings=settings, catalog=Catalog()) as client:
        with pytest.raises(StoreRefused, match="JOBD_SHARDS"):
            await client.enqueue("noop", {}, queue="default")


# --- where things are ------------------------------------------------------------------------------------------------


async def test_jobs_are_spread_by_queue_and_found_by_id_state_and_count(three: Store) -> None:
    jobs = [new_job(f"{queue}-job", queue=queue) for queue in QUEUES]
    assert await three.enqueue(jobs) == [True] * len(QUEUES)
    used = {shard_for(three, queue) for queue in QUEUES}
    assert used == {0, 1, 2}
    for number, shard in enumerate(three.shards):
        here = await shard.link.command("HLEN", shard.keys.fixed("jobs"))
        assert here == sum(shard_for(three, queue) == number for queue in QUEUES)
    assert (await three.get("queue-7-job")).queue == "queue-7"
    with pytest.raises(JobNotFound):
        await three.get("queue-70-job")
    assert {queue: states[State.WAITING] for queue, states in (await three.counts()).items()} == dict.fromkeys(
        QUEUES, 1
    )
    found, cursor = [], None
    while True:
        page = await list_jobs(three, Filter(), limit=5, cursor=cursor)
        found += [job.id for job in page.jobs]
        if (cursor := page.cursor) is None:
            break
    assert sorted(found) == sorted(job.id for job in jobs)


async def test_an_id_that_jobd_makes_names_the_shard(three: Store) -> None:
    async with jobd.Client(store=three, catalog=Catalog()) as client:
        for queue in QUEUES:
            handle = await client.enqueue("noop", {}, queue=queue)
            assert three.shards_of(handle.id)[0].number == shard_for(three, queue)
            assert (await client.get(handle.id)).queue == queue


async def test_what_a_handler_enqueues_stays_in_the_shard_of_its_job(three: Store) -> None:
    async with jobd.Client(store=three, catalog=Catalog()) as client:
        here = three.shards[shard_for(three, "queue-1")]
        there = next(queue for queue in QUEUES if shard_for(three, queue) != here.number)
        await here.join("w1", lease_ms=20_000, lines=["*"], about=b"{}")
        await here.enqueue([new_job(queue="queue-1")])
        _, (delivery,) = await here.turn("w1", [], sequence=1, want=1, types=",noop,")
        context = jobd.Context(delivery, here, client, cast(Any, None), asyncio.get_running_loop())
        await context.enqueue("noop", {}, queue="queue-1")
        with pytest.raises(OptionError, match=r"another shard.*ctx\.client\.enqueue"):
            await context.enqueue("noop", {}, queue=there)


@pytest.mark.parametrize(("kind", "all_of_them"), [("redis", False), ("redis+cluster", True)])
def test_all_keys_are_declared_where_a_slot_may_move_and_one_that_says_where_it_goes_elsewhere(
    kind: str, all_of_them: bool
) -> None:
    (shard,) = Store.at(f"{kind}://127.0.0.1:1").shards
    names = load("settle").keys
    assert len(shard._keys("settle")) == (len(names) if all_of_them else 1)
    assert len(names) > 1
