"""A queue takes so many jobs and no more; and a store without memory takes none, while those that run still end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

import jobd
from jobd.catalog import Catalog
from jobd.client import Client
from jobd.domain.delivery import Met
from jobd.domain.settle import COMPLETED
from jobd.domain.state import State
from jobd.errors import QueueFull, StoreFull
from jobd.store.shard import Settlement
from jobd.store.store import Store
from tests.real_server import RealServer
from tests.store.hands import Clock, Hands, LossyLink, new_job, retried
from tests.store.unique_jobs import DEBOUNCE


@jobd.job("noop")
async def noop() -> None: ...


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Client]:
    async with Client(store=Store.at(redis_url), catalog=Catalog([noop])) as client:
        yield client


async def test_a_full_queue_refuses_loudly_and_takes_again_when_a_job_has_started(client: Client, hands: Hands) -> None:
    await client.set_limits(queue="default", size=2)
    await client.enqueue(noop)
    await client.enqueue(noop, delay="1h")
    with pytest.raises(QueueFull, match="queue default is full: 2 jobs of 2 have not started; nothing was enqueued"):
        await client.enqueue(noop)
    await client.enqueue(noop, queue="other")
    await hands.fetch(want=1)
    await client.enqueue(noop)
    assert await hands.counts() == {State.WAITING: 1, State.DELAYED: 1, State.ACTIVE: 1}


async def test_many_go_in_whole_or_not_at_all(client: Client, hands: Hands) -> None:
    await client.set_limits(queue="default", size=3)
    with pytest.raises(QueueFull):
        await client.enqueue_many([(noop, None)] * 4)
    assert await hands.counts() == {}
    await client.enqueue_many([(noop, None)] * 3)
    assert await hands.counts() == {State.WAITING: 3}


async def test_a_full_group_refuses_whole_and_leaves_other_groups_alone(client: Client, hands: Hands) -> None:
    await client.set_limits(queue="default", group_size=2)
    await client.set_limits(queue="default", group="a b", size=3)
    await client.enqueue_many([(noop, None)] * 2, group="a b")
    with pytest.raises(QueueFull, match="group a b of queue default is full: 2 jobs of 3 have not started; nothing"):
        await client.enqueue_many([(noop, None)] * 2, group="a b", delay="1h")
    await client.enqueue(noop, group="a b", delay="1h")
    await client.enqueue_many([(noop, None)] * 2, group="c")
    with pytest.raises(QueueFull, match="group c of queue default is full: 2 jobs of 2"):
        await client.enqueue(noop, group="c")
    await client.enqueue(noop)
    assert await hands.counts() == {State.WAITING: 5, State.DELAYED: 1}


async def test_a_group_takes_again_what_has_left_it_on_any_way(client: Client, hands: Hands) -> None:
    await hands.put(*[new_job(name, lane_key="g=a") for name in ("run", "cut", "cast", "gone", "other", "late")])
    await client.set_limits(queue="default", group="a", size=1)
    for leave in (
        client.cancel("cut"),
        client.remove("gone"),
        client.move("cast", "elsewhere"),
        client.change("other", group="b"),
    ):
        with pytest.raises(QueueFull):
            await client.enqueue(noop, group="a")
        await leave
    (delivery,) = await hands.fetch(want=1)
    await client.cancel("late")
    await client.enqueue(noop, group="a", id="next")
    # a retry is taken all the same, and fills it until it runs
    assert (delivery.id, await hands.settle(retried(delivery))) == ("run", [1])
    await client.cancel("next")
    with pytest.raises(QueueFull, match="1 jobs of 1"):
        await client.enqueue(noop, group="a")


async def test_a_batch_of_many_parts_that_does_not_fit_never_runs(client: Client, hands: Hands) -> None:
    await client.set_limits(queue="default", size=700)
    with pytest.raises(QueueFull):
        await client.enqueue_many([(noop, None)] * 1_000)
    hands.clock.forward(60_001)
    for batch in await hands.shard.staged():
        while await hands.shard.release(batch) > 0:
            pass
    assert await hands.counts() == {}


async def test_who_shares_a_trip_with_one_that_is_refused_is_not(client: Client, hands: Hands) -> None:
    await client.set_limits(queue="full", size=1)
    await client.enqueue(noop, queue="full")
    asked = [client.enqueue(noop, queue="full" if at % 2 else "other") for at in range(40)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [isinstance(answer, QueueFull) for answer in answers] == [bool(at % 2) for at in range(40)]
    assert await hands.counts("other") == {State.WAITING: 20}


async def test_a_repeat_of_what_filled_the_queue_is_no_refusal(client: Client, hands: Hands) -> None:
    await client.set_limits(queue="default", size=1)
    hands.shard.link = link = LossyLink(hands.shard.link)
    link.losing = 1
    assert await hands.put(new_job("a")) == [True]


async def test_a_job_that_gives_its_data_to_another_is_taken_by_a_queue_that_is_over_its_size(
    client: Client, hands: Hands
) -> None:
    await hands.put(new_job("a", unique=DEBOUNCE, due="+1000"), new_job("b"))
    await client.set_limits(queue="default", size=1)
    assert await hands.put(new_job("c", unique=DEBOUNCE)) == [Met("a", replaced=True)]
    with pytest.raises(QueueFull):
        await hands.put(new_job("d"))


async def test_a_repeat_is_no_refusal_although_another_call_with_its_job_was_refused_meanwhile(
    client: Client, hands: Hands
) -> None:
    await client.set_limits(queue="default", size=1)
    plain = hands.shard.link
    hands.shard.link = link = LossyLink(plain)
    link.losing = 1

    async def another_call() -> None:
        hands.shard.link = plain
        with pytest.raises(QueueFull):
            await hands.put(new_job("a"), new_job("b"))

    link.before_repeat = another_call
    assert await hands.put(new_job("a")) == [True]


async def test_what_a_running_job_enqueues_with_its_end_is_taken_all_the_same(client: Client, hands: Hands) -> None:
    """It has done its work, which cannot be undone."""
    await client.set_limits(queue="default", size=1)
    (delivery,) = await hands.active(new_job("parent"))
    await hands.put(new_job("fills"))
    settlement = Settlement("parent", delivery.fence, COMPLETED, children=[new_job("child")])
    assert await hands.settle(settlement) == [1]
    assert await hands.counts() == {State.WAITING: 2, State.COMPLETED: 1}


async def test_a_store_without_memory_refuses_whole_and_lets_jobs_end(server_binary: object) -> None:
    with RealServer(server_binary) as server:  # type: ignore[arg-type]  # the fixture's path
        async with Client(store=Store.at(server.url), catalog=Catalog([noop])) as client:
            shard = client.store.shards[0]
            hands = Hands(shard, Clock(shard))
            await hands.join()
            batch = await hands.active(*[new_job(payload=b"x" * 1_000) for _ in range(100)])
            await client.enqueue(noop, id="waits")
            server.client().config_set("maxmemory", 1)
            with pytest.raises(StoreFull, match="nothing was stored"):
                await client.enqueue_many([(noop, None)] * 10)
            for verb in (client.change("waits", priority=1), client.move("waits", "other"), client.retry("waits")):
                with pytest.raises(jobd.JobdError):
                    await verb
            done = [Settlement(delivery.id, delivery.fence, COMPLETED, b"7") for delivery in batch]
            assert await hands.settle(*done) == [1] * 100
            assert (await client.cancel("waits")).status is State.CANCELLED
            await client.pause("default")
            assert await hands.counts() == {State.COMPLETED: 100, State.CANCELLED: 1}
