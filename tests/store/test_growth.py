"""A store that gets more shards while it is used: nothing is lost, doubled or hidden, whoever knows of how many."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import pytest

import jobd
from jobd.catalog import Catalog
from jobd.domain.delivery import NewJob
from jobd.domain.state import State
from jobd.errors import JobNotFound, OptionError, StateConflict, StoreRefused
from jobd.store.agreement import Numbers
from jobd.store.homes import Home, shard_of, written_home
from jobd.store.intake_words import grouped
from jobd.store.shard import Shard
from jobd.store.store import Store
from tests.store.growing import QUEUES, Open, listed, places, put
from tests.store.hands import new_job


def test_the_numbers_of_a_store_are_read_as_they_were_written() -> None:
    read = [(numbers.had, numbers.growing_to) for numbers in map(Numbers.read, (None, b"4", b"1 4", b"1 4>8"))]
    assert read == [((1,), 0), ((4,), 0), ((1, 4), 0), ((1, 4), 8)]


# --- where jobs are ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("few", "many"), [(1, 4), (2, 3), (3, 8)])
async def test_queues_stay_and_new_ones_come_to_all_shards(open_store: Open, few: int, many: int) -> None:
    store = open_store(few)
    before = await put(store, *QUEUES)
    homes = await places(store)
    assert (await store.grow(many)).had == (few, many)
    after = await put(store, *QUEUES)
    assert await places(store) == homes
    fresh = [f"fresh-{number}" for number in range(40)]
    new = await put(store, *fresh)
    found = await places(store)
    assert set().union(*(found[queue] for queue in fresh)) == set(range(many))
    assert all(found[queue] == {shard_of(queue, many)} for queue in fresh)
    for job_id in (*before, *after, *new):
        assert (await store.shards_of(job_id)[0].get([job_id]))[0] is not None
    assert sorted(await listed(store)) == sorted([*before, *after, *new])


async def test_whoever_knew_of_fewer_is_sent_on_and_finds_all(open_store: Open) -> None:
    stale, grower = open_store(), open_store()
    first = await put(stale, "old")
    await grower.grow(4)
    fresh = [f"fresh-{number}" for number in range(1, 21)]
    assert len(stale.shards) == 1
    ids = await put(stale, *fresh, "old")
    assert ids[0][10:12] == "00"  # made before it knew where the queue lives
    assert shard_of(fresh[0], 4) != 0
    assert len(stale.shards) == 4
    again = await put(grower, *fresh, "old")
    found = await places(grower)
    assert {len(shards) for shards in found.values()} == {1}
    assert found["old"] == {0}
    for store in (stale, grower, open_store(), open_store(4)):
        for job_id in (*first, *ids, *again):
            assert (await store.get(job_id)).id == job_id
        assert len(await store.get_many([*first, *ids, *again])) == 43
        assert sorted(await listed(store)) == sorted([*first, *ids, *again])


@pytest.mark.parametrize(
    "ask",
    [
        lambda store, job_id: store.get(job_id),
        lambda store, job_id: store.cancel(job_id, {"reason": "no"}),
        lambda store, job_id: jobd.Client(store=store, catalog=Catalog()).change(job_id, priority=1),
        lambda store, job_id: jobd.Client(store=store, catalog=Catalog()).remove(job_id),
        lambda store, job_id: jobd.Client(store=store, catalog=Catalog()).why(job_id),
    ],
)
async def test_a_job_in_a_shard_that_one_did_not_know_is_no_stranger(
    open_store: Open, ask: Callable[[Store, str], Any]
) -> None:
    stale, grower = open_store(), open_store()
    with pytest.raises(JobNotFound):
        await stale.get("nothing")
    await grower.grow(4)
    (job_id,) = await put(grower, next(name for name in QUEUES if shard_of(name, 4)))
    await grower.enqueue([new_job("chosen", queue=next(name for name in QUEUES if shard_of(name, 4) == 3))])
    for one in (job_id, "chosen"):
        stale._learned_at = 0.0  # as if some time had passed
        await ask(stale, one)


async def test_what_is_there_is_counted_and_listed_by_whoever_knew_of_fewer(open_store: Open) -> None:
    stale, grower = open_store(), open_store()
    await stale.check()
    await grower.grow(4)
    await put(grower, *QUEUES)
    stale._learned_at = 0.0
    assert len(await listed(stale)) == len(QUEUES)
    other = open_store()
    await other.grow(6)
    now = [*QUEUES, "fresh-7", "fresh-9"]
    await put(other, *now[-2:])
    stale._learned_at = 0.0
    assert {queue: states[State.WAITING] for queue, states in (await stale.counts()).items()} == dict.fromkeys(now, 1)
    for shard in grower.shards:
        await shard.join(f"w{shard.number}", lease_ms=20_000, lines=["*"], about=b"{}")
    assert sorted(member.shard for member in await stale.members()) == [0, 1, 2, 3]


async def test_many_at_once_of_one_who_knew_of_fewer_all_get_where_they_belong(open_store: Open) -> None:
    stale, grower = open_store(), open_store()
    await stale.check()
    await grower.grow(4)
    client = jobd.Client(store=stale, catalog=Catalog())
    handles = await asyncio.gather(*(client.enqueue("noop", {}, queue=QUEUES[at % 12]) for at in range(200)))
    assert {handle.outcome for handle in handles} == {"created"}
    assert await places(grower) == {queue: {shard_of(queue, 4)} for queue in QUEUES}
    assert {job.id for job in await grower.get_many([handle.id for handle in handles])} == {
        handle.id for handle in handles
    }


async def test_a_large_batch_of_one_who_knew_of_fewer_is_whole_where_it_belongs(open_store: Open) -> None:
    stale, grower = open_store(), open_store()
    await stale.check()
    await grower.grow(4)
    jobs = [new_job(queue="fresh-1") for _ in range(1_300)]
    assert await stale.enqueue(jobs) == [True] * 1_300
    assert await stale.enqueue(jobs) == [False] * 1_300
    assert (await grower.counts())["fresh-1"][State.WAITING] == 1_300
    assert (await places(grower))["fresh-1"] == {shard_of("fresh-1", 4)}


async def test_a_large_batch_between_whose_parts_the_store_grows_is_whole_in_one_shard(open_store: Open) -> None:
    stale, grower = open_store(), open_store()
    await stale.check()
    (shard,) = stale.shards
    stage = shard.stage

    async def stage_and_grow(*words: Any, **more: Any) -> Any:
        staged = await stage(*words, **more)
        await grower.grow(4)
        return staged

    shard.stage = stage_and_grow  # type: ignore[method-assign]  # a moment that cannot be hit otherwise
    jobs = [new_job(queue="fresh-1") for _ in range(1_300)]
    assert await stale.enqueue(jobs) == [True] * 1_300
    # it was used there first, if only for a moment
    assert await places(grower) == {"fresh-1": {0}}
    assert (await grower.counts())["fresh-1"] == {**dict.fromkeys(State, 0), State.WAITING: 1_300}


# --- a repeat after a lost answer ------------------------------------------------------------------------------------


async def sent(shard: Shard, job: NewJob, *, repeat: bool) -> list[bytes]:
    """A single enqueue by one who knows of one shard."""
    now = await shard.now_us()
    _, group = grouped([("", job)])
    tail = ["", 0, "", "", "", 1, *group]
    words = [*shard._head(), now + 60_000_000, now - 1_000_000, "1" if repeat else "", *tail]
    reply: list[bytes] = await shard.link.run("enqueue", shard._keys("enqueue"), words)
    return reply


async def test_a_repeat_of_what_was_taken_in_before_the_growth_is_answered_and_not_taken_in_elsewhere(
    open_store: Open,
) -> None:
    store = open_store()
    shard, job = store.shards[0], new_job()
    assert await sent(shard, job, repeat=False) == [b"ok"]
    await store.grow(4)
    assert await sent(shard, job, repeat=True) == [b"ok"]
    await shard.cancel([job.id], {"reason": "no"})
    await shard.delete([job.id], list(State))
    assert await sent(shard, job, repeat=True) == [b"ok", 1]
    assert await store.counts() == {"default": dict.fromkeys(State, 0)}


async def test_one_that_was_not_taken_in_before_the_growth_is_refused_at_each_sending(open_store: Open) -> None:
    store = open_store()
    shard, job = store.shards[0], new_job()
    await store.grow(4)
    for repeat in (False, True):
        assert await sent(shard, job, repeat=repeat) == [b"grown", 4]
    assert await store.counts() == {}


# --- what goes along ---------------------------------------------------------------------------------------------


async def test_what_limits_types_and_keys_holds_in_new_shards_and_what_limits_queues_where_they_are(
    open_store: Open,
) -> None:
    store = open_store()
    client = jobd.Client(store=store, catalog=Catalog())
    await client.pause(type="noop", reason="broken")
    await client.set_limits(key="x", concurrency=3)
    await client.set_limits(queue="queue-1", concurrency=2)
    await store.shards[0].declare_rule("t/other", {"concurrency": 7})
    before = await client.limits()
    await client.grow(3)
    for shard in store.shards[1:]:
        rules = await shard.rules()
        assert {"t/noop", "c/x", "t/other"} == rules.keys()
        assert await shard.rules("declared") == {"t/other": {"concurrency": 7}}
    assert await client.limits() == before
    assert [pause.what for pause in await client.pauses()] == ["type noop"]
    await client.resume(type="noop")
    assert await client.pauses() == []
    await client.set_limits(queue="fresh-1", concurrency=2)
    assert (await store.shards[shard_of("fresh-1", 3)].rules())["q/fresh-1"] == {"concurrency": 2}


async def test_operations_reach_the_jobs_where_they_are(open_store: Open) -> None:
    store = open_store(2)
    await put(store, *QUEUES)
    await store.grow(5)
    await put(store, *QUEUES, "fresh-1")
    client = jobd.Client(store=store, catalog=Catalog())
    begun = await client.operate("cancel", queue="queue-3")
    assert (await client.run_operation(begun.id)).done == 2
    assert await client.drain("queue-4") == 2
    assert await client.obliterate("queue-3") == 2
    counts = await store.counts()
    assert (counts["queue-3"], counts["queue-4"]) == (dict.fromkeys(State, 0),) * 2
    assert sum(states[State.WAITING] for states in counts.values()) == 21


async def test_what_a_handler_enqueues_is_looked_for_where_its_queue_was_used_first(open_store: Open) -> None:
    store = open_store()
    await put(store, *QUEUES)
    await store.grow(4)
    client, (here, *_) = jobd.Client(store=open_store(), catalog=Catalog()), store.shards
    await here.join("w1", lease_ms=20_000, lines=["*"], about=b"{}")
    _, (delivery, *_) = await here.turn("w1", [], sequence=1, want=1, types=",noop,")
    context = jobd.Context(delivery, here, client, cast(Any, None), asyncio.get_running_loop())
    for queue in QUEUES:
        await context.enqueue("noop", {}, queue=queue, id=f"child-{queue}")
        await context.enqueue("noop", {}, queue=queue)
    for queue in (name for name in (f"fresh-{at}" for at in range(8)) if shard_of(name, 4)):
        for own in (None, "child"):
            with pytest.raises(OptionError, match="another shard"):
                await context.enqueue("noop", {}, queue=queue, id=own)


# --- refused ---------------------------------------------------------------------------------------------------------


async def test_a_store_does_not_shrink_nor_grow_without_end(open_store: Open) -> None:
    store = open_store(3)
    for number in (2, 0, -1, 257):
        with pytest.raises(OptionError, match=r"is not between 4 and 256; a store never has fewer than the 3"):
            await store.grow(number)
    assert (await store.grow(3)).had == (3,)


async def test_a_type_that_is_unique_in_all_queues_keeps_the_store_as_it_is(open_store: Open) -> None:
    store = open_store()
    await store.tell_types({"report": {"unique": {"scope": "type"}}})
    with pytest.raises(StateConflict, match="type report is unique in all queues"):
        await store.grow(2)
    assert len(store.shards) == 1


@pytest.mark.parametrize("shards", [1, 2, 4])
async def test_settings_of_any_number_that_it_had_are_good(open_store: Open, shards: int) -> None:
    store = open_store()
    await store.grow(2)
    await store.grow(4)
    ids = await put(open_store(shards), *QUEUES)
    assert sorted(await listed(store)) == sorted(ids)
    with pytest.raises(StoreRefused, match=r"set up with 4 shards.*say 3.*to 4$"):
        await open_store(3).check()
    with pytest.raises(StoreRefused, match=r"or let it grow: jobd shards grow 5"):
        await open_store(5).check()


# --- at random -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_comes_between_a_queue_is_in_one_shard_and_all_find_all(open_store: Open, seed: int) -> None:
    dice = random.Random(seed)
    stores = [open_store() for _ in range(4)]
    made: list[str] = []

    async def work(store: Store) -> None:
        for _ in range(15):
            match dice.randrange(8):
                case 0:
                    now = len(store.shards)
                    await store.grow(max(now, dice.choice([2, 3, 5, 8])))
                case 1:
                    store._numbers and await store.learn(fresh_s=0)
                case _:
                    made.extend(await put(store, f"queue-{dice.randrange(30)}"))

    async def grow_past(store: Store) -> None:
        with suppress(OptionError):  # another one has let it grow further
            await work(store)

    await asyncio.gather(*map(grow_past, stores))
    found = await places(stores[0])
    assert {queue: len(shards) for queue, shards in found.items() if len(shards) != 1} == {}
    last = open_store()
    assert Counter(await listed(last)) == Counter(made)
    for store in (*stores, last):
        assert {job.id for job in await store.get_many(made)} == set(made)
    for queue, (number,) in found.items():
        home = await written_home(last.shards[0], queue) or Home(1)
        assert home.shard(queue) == number
