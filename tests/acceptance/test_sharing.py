"""Several workers on one store, in each shape."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

import pytest
from jobd_testbed import Entry, add, write
from jobd_testbed.journal import read

import jobd
from jobd.domain.state import State
from tests.acceptance.conftest import StartFleet
from tests.acceptance.fleet import Shape, first
from tests.acceptance.program import PATIENCE_S
from tests.acceptance.until import until


@pytest.mark.requirement("3.2")
@pytest.mark.requirement("6.7")
@first(Shape.WORKER_CHILD)
async def test_two_workers_share_the_work_and_no_job_runs_twice(start_fleet: StartFleet, journal: Path) -> None:
    with start_fleet("--concurrency", "5") as fleet:
        fleet.another_worker("--concurrency", "5")
        async with jobd.Client(fleet.url) as client:
            # ten that run at the same time, as no slot is free before they are cancelled
            long = [Entry(journal=journal, key=f"long-{number}", seconds=600) for number in range(10)]
            all_slots = await client.enqueue_many(write, long)
            await until(lambda: len(read(journal)) == 10)
            assert sorted(Counter(line.pid for line in read(journal)).values()) == [5, 5]
            short = [Entry(journal=journal, key=str(number), seconds=0.02) for number in range(200)]
            handles = await client.enqueue_many(write, short)
            for handle in all_slots:
                await handle.cancel()
            for handle in handles:
                assert await handle.result(PATIENCE_S) == 1
    starts = [line.key for line in read(journal) if line.what == "start"]
    assert Counter(starts) == Counter(entry.key for entry in long + short)


async def test_a_worker_leaves_queues_that_are_not_its_own(start_fleet: StartFleet) -> None:
    with start_fleet("--queue", "mine", "--queue", "also-mine") as fleet:
        async with jobd.Client(fleet.url) as client:
            other = await client.enqueue(add, {"a": 1}, queue="other")
            for queue in ("mine", "also-mine"):
                assert await (await client.enqueue(add, {"a": 1}, queue=queue)).result(PATIENCE_S) == 2
            assert await other.status() == State.WAITING
            fleet.another_worker("--queue", "other")
            assert await other.result(PATIENCE_S) == 2


async def test_a_job_of_an_unknown_type_waits_for_a_worker_that_knows_it(start_fleet: StartFleet) -> None:
    with start_fleet(environment={"JOBD_WITHOUT": "testbed"}) as fleet:
        async with jobd.Client(fleet.url) as client:
            handles = [await client.enqueue(add, {"a": number}, queue="somewhere") for number in range(20)]
            shard = client.store.shards[0]
            aside = shard.keys.lane("somewhere", "5:t=add")
            await until(partial(shard.link.command, "EXISTS", aside))  # the worker has looked and passed over them
            fleet.another_worker(environment={"JOBD_WITHOUT": ""})
            assert [await handle.result(PATIENCE_S) for handle in handles] == list(range(1, 21))
            assert {(await handle.get()).deliveries for handle in handles} == {1}


@first(Shape.WORKER_CHILD)
async def test_a_worker_serves_its_queues_in_the_order_it_was_given(start_fleet: StartFleet, journal: Path) -> None:
    with start_fleet("--queue", "none") as fleet:
        async with jobd.Client(fleet.url) as client:
            handles = []
            for queue, priority in (("first", "low"), ("second", "critical")):
                entries = [Entry(journal=journal, key=queue) for _ in range(3)]
                handles += await client.enqueue_many(write, entries, queue=queue, priority=priority)
            fleet.another_worker(
                "--queue", "first", "--queue", "second", "--queue-order", "strict", "--concurrency", "1"
            )
            for handle in handles:
                await handle.result(PATIENCE_S)
    assert [line.key for line in read(journal) if line.what == "start"] == ["first"] * 3 + ["second"] * 3
