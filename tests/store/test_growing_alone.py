"""What a process knows of the shards, and what it decides by that alone."""

from __future__ import annotations

import pytest

from jobd.domain.ids import new_id
from jobd.errors import OptionError
from jobd.store.homes import Home, shard_of
from tests.store.growing import QUEUES, Open, put, shard_for
from tests.store.hands import START_MS, new_job


async def test_whoever_uses_a_shard_has_heard_from_the_first_one_and_keeps_his_links_when_it_grows(
    open_store: Open,
) -> None:
    store = open_store(2)
    await store.shards[1].now_us()
    first, second = (shard.link for shard in store.shards)
    assert first.owner.at_hand is not None
    await store.grow(3)
    assert (store.shards[0].link, store.shards[1].link) == (first, second)


async def test_a_queue_whose_home_is_known_stays_there_however_many_shards_come(open_store: Open) -> None:
    store = open_store(1)
    await put(store, *QUEUES)
    await store.grow(4)
    for queue in QUEUES:
        assert await store.home_of(queue) == Home(1)
    assert {shard_for(store, queue) for queue in QUEUES} == {0}


async def test_a_growth_is_checked_against_what_the_store_has_or_will_have_in_a_moment(open_store: Open) -> None:
    store = open_store(2)
    assert await store.check_growth(2) == 2
    assert await store.check_growth(5) == 2
    with pytest.raises(OptionError, match="not between 3 and"):
        await store.check_growth(1)
    await store.shards[0]._run("grow", "2", "2>5")  # and who was at it has died
    assert await store.check_growth(5) == 5
    with pytest.raises(OptionError, match="not between 6 and"):
        await store.check_growth(4)


async def test_an_id_says_where_its_job_is_likeliest_to_be_unless_one_knows_no_such_shard(open_store: Open) -> None:
    store = open_store(4)
    named = [[shard.number for shard in store.shards_of(new_id(START_MS, lambda bits: 0, at))] for at in range(6)]
    assert named == [[0, 1, 2, 3], [1, 0, 2, 3], [2, 0, 1, 3], [3, 0, 1, 2], [0, 1, 2, 3], [0, 1, 2, 3]]


async def test_a_spread_queue_takes_what_holds_for_it_alone_along_and_jobs_of_any_id(open_store: Open) -> None:
    store = open_store(4)
    queue, neighbour = [name for name in QUEUES if shard_of(name, 4) == 2][:2]
    there, others = store.shards[2], [shard for shard in store.shards if shard.number != 2]
    await there.set_rule(f"g/{queue}/a", {"concurrency": 2})
    await there.set_rule(f"q/{neighbour}", {"concurrency": 3})
    await store.spread(queue)
    for shard in others:
        assert (await shard.rules("set")).keys() == {f"g/{queue}/a"}
    for shard in store.shards:
        await shard.set_rule(f"q/{queue}", {"paused": "for a while"})
    await store.spread(queue)  # once more, as each worker asks for it
    assert await store.home_of(queue) == Home(4, spread=True, by_key=True)
    assert store.shard_of_new(new_job("chosen", queue=queue)) == shard_of("chosen", 4)
    assert store.shard_of_new(new_job(new_id(START_MS, lambda bits: 0, 3), queue=queue)) == 3
