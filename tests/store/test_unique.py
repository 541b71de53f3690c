"""Unique keys in the store: who owns them, what becomes of those who find them taken, and every way to let go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from jobd.domain.delivery import Met
from jobd.domain.settle import Verdict
from jobd.domain.state import State
from jobd.errors import UniqueConflict
from jobd.store.shard import Retention, Settlement
from jobd.store.store import Store
from tests.store import raw
from tests.store.hands import (
    CRASHED_ALONE,
    LEASE_MS,
    LOST,
    Hands,
    cancelled,
    done,
    ended,
    failed,
    given_back,
    new_job,
    retried,
)
from tests.store.unique_jobs import INSISTING, REPLACE, SIMPLE, THROTTLE, job, owner

pytestmark = pytest.mark.usefixtures("watched_worker")


# --- one at a time ---------------------------------------------------------------------------------------------------


async def test_a_second_job_of_a_key_is_not_made_and_is_told_of_the_first(hands: Hands) -> None:
    assert await hands.put(job("a")) == [True]
    assert await hands.put(job("b"), new_job("other"), job("c")) == [Met("a", False), True, Met("a", False)]
    assert await hands.states("a", "b", "c", "other") == [State.WAITING, None, None, State.WAITING]
    assert await hands.counts() == {State.WAITING: 2}


async def test_of_several_in_one_call_the_first_is_made(hands: Hands) -> None:
    assert await hands.put(job("a"), job("b"), job("c", unique="other:s:wdba:0")) == [True, Met("a", False), True]


@pytest.mark.parametrize(("unique", "what"), [(SIMPLE, False), (REPLACE, True)])
async def test_who_asks_twice_in_one_call_is_told_both_times_of_the_other_job(
    hands: Hands, unique: str, what: bool
) -> None:
    again = job("b", unique)
    assert await hands.put(job("a"), again, again) == [True, Met("a", what), Met("a", what)]
    assert await hands.put(again, again) == [Met("a", what)] * 2
    assert await hands.states("a", "b") == [State.WAITING, None]


async def test_of_many_producers_who_race_one_wins(hands: Hands, redis_url: str) -> None:
    stores = [Store.at(redis_url) for _ in range(8)]
    try:
        answers = await asyncio.gather(
            *(store.enqueue([job(f"p{at}-{n}")]) for at, store in enumerate(stores) for n in range(10))
        )
    finally:
        for store in stores:
            await store.close()
    made = [answer[0] for answer in answers]
    assert made.count(True) == 1
    assert {met.id for met in made if isinstance(met, Met)} == {await owner(hands.shard)}
    assert await hands.counts() == {State.WAITING: 1}


async def test_a_conflict_that_refuses_all_takes_in_none(hands: Hands) -> None:
    await hands.put(job("a"))
    with pytest.raises(UniqueConflict, match="job a has the unique key of job c; nothing was enqueued") as refused:
        await hands.put(new_job("b", queue="other"), job("c", INSISTING), new_job("d"))
    assert refused.value.job_id == "a"
    assert await hands.states("b", "c", "d") == [None, None, None]


async def test_the_states_of_an_owner_are_those_in_which_it_keeps_its_key(hands: Hands) -> None:
    until_start = "key:s:wdb:0"
    await hands.put(job("a", until_start))
    await hands.fetch()
    assert await owner(hands.shard) is None
    assert await hands.put(job("b", until_start)) == [True]


async def test_a_job_that_has_started_does_not_come_back_to_a_key_it_has_left(hands: Hands) -> None:
    until_start = "key:s:wdb:0"
    await hands.put(job("a", until_start))
    (delivery,) = await hands.fetch()
    await hands.put(job("b", until_start))
    await hands.settle(retried(delivery))
    assert await owner(hands.shard) == "b"


async def test_a_key_of_delayed_jobs_is_free_when_its_owner_is_due(hands: Hands) -> None:
    await hands.put(job("a", "key:s:d:0", due="+1000"))
    assert await hands.put(job("b", "key:s:d:0")) == [Met("a", False)]
    hands.clock.forward(1_000)
    await hands.shard.promote()
    assert await owner(hands.shard) is None


async def test_the_states_that_a_newcomer_names_are_those_that_stop_it(hands: Hands) -> None:
    await hands.active(job("a"))
    assert await hands.put(job("b", "key:s:wdb:0")) == [True]
    assert await owner(hands.shard) == "b"
    await hands.settle(done((await hands.fetch_again())[0]))
    assert await owner(hands.shard) == "b"  # what had lost the key does not free it


@pytest.mark.damages
async def test_an_owner_whose_record_is_gone_stands_in_nobodys_way(hands: Hands) -> None:
    await hands.put(job("a"))
    await hands.shard.link.command("HDEL", hands.shard.keys.fixed("jobs"), "a")
    assert await hands.put(job("b")) == [True]


# --- letting go ------------------------------------------------------------------------------------------------------


async def _settle(hands: Hands, verdict: Settlement) -> None:
    assert await hands.settle(verdict) == [1]


async def _complete(hands: Hands) -> None:
    await _settle(hands, done((await hands.active(job("a")))[0]))


async def _fail(hands: Hands) -> None:
    await _settle(hands, failed((await hands.active(job("a")))[0]))


async def _end_cancelled(hands: Hands) -> None:
    await _settle(hands, cancelled((await hands.active(job("a")))[0]))


async def _cancel_while_running(hands: Hands) -> None:
    (delivery,) = await hands.active(job("a"))
    await hands.shard.cancel(["a"], {})
    await _settle(hands, retried(delivery))


async def _cancel_waiting(hands: Hands) -> None:
    await hands.put(job("a"))
    await hands.shard.cancel(["a"], {})


async def _cancel_delayed(hands: Hands) -> None:
    await hands.put(job("a", due="+1000"))
    await hands.shard.cancel(["a"], {})


async def _cancel_retrying(hands: Hands) -> None:
    (delivery,) = await hands.active(job("a"))
    await _settle(hands, retried(delivery))
    await hands.shard.cancel(["a"], {})


async def _poison(hands: Hands) -> None:
    await hands.active(job("a"))
    await hands.shard.leave("w1", "killed")
    await hands.monitor()
    (lost,) = await hands.take_over()
    poison = Verdict(State.FAILED, crashed=True, poison=True)
    await hands.settle(ended(lost.delivery, poison), holder="m1")


async def _give_up_batch(hands: Hands) -> None:
    await hands.shard.stage("batch", [job("a")])
    hands.clock.forward(61_000)
    await hands.shard.release("batch")


async def _cancel_staged(hands: Hands) -> None:
    await hands.shard.stage("batch", [job("a")])
    await hands.shard.cancel(["a"], {})


async def _keep_none(hands: Hands) -> None:
    hands.shard.retention = Retention(completed=0, least=0)
    await _settle(hands, done((await hands.active(job("a")))[0]))


async def _free(hands: Hands) -> None:
    await hands.put(job("a"))
    assert (await hands.shard.free_unique("key"))[0]


@pytest.mark.parametrize(
    "way",
    [
        *(_complete, _fail, _end_cancelled, _cancel_while_running, _cancel_waiting, _cancel_delayed, _cancel_retrying),
        *(_poison, _give_up_batch, _cancel_staged, _keep_none, _free),
    ],
)
async def test_the_key_is_free_on_every_way_out(
    hands: Hands, whole: Callable[[], raw.Raw], way: Callable[[Hands], Awaitable[None]]
) -> None:
    await way(hands)
    assert whole().uniques == {}
    assert await hands.put(job("next")) == [True]


@pytest.mark.parametrize("verdict", [retried, given_back])
async def test_the_key_is_kept_between_attempts(hands: Hands, verdict: Callable[[Any], Settlement]) -> None:
    (delivery,) = await hands.active(job("a"))
    await hands.settle(verdict(delivery))
    assert await hands.put(job("b")) == [Met("a", False)]
    hands.clock.forward(1_000)
    await hands.shard.promote()
    (delivery,) = await hands.fetch()
    assert await hands.put(job("b")) == [Met("a", False)]
    await hands.settle(done(delivery))
    assert await hands.put(job("b")) == [True]


async def test_the_key_of_a_worker_that_died_is_kept_until_its_job_has_ended(hands: Hands) -> None:
    await hands.active(job("a"))
    hands.clock.forward(LEASE_MS + 1)
    await hands.monitor()
    (lost,) = await hands.take_over()
    assert await hands.put(job("b")) == [Met("a", False)]
    await hands.settle(ended(lost.delivery, LOST), holder="m1")
    assert await hands.put(job("b")) == [Met("a", False)]
    await hands.join("solo", "!*")
    (again,) = await hands.fetch("solo")
    await hands.settle(ended(again, CRASHED_ALONE), holder="solo")
    assert await hands.put(job("b")) == [Met("a", False)]
    (again,) = await hands.fetch("solo")
    await hands.settle(done(again), holder="solo")
    assert await hands.put(job("b")) == [True]


async def test_what_ended_keeps_its_key_in_states_that_say_so_until_it_is_removed(hands: Hands) -> None:
    with_failed = "key:s:wdbaf:0"
    await hands.settle(failed((await hands.active(job("a", with_failed)))[0]))
    assert await hands.put(job("b", with_failed)) == [Met("a", False)]
    hands.clock.forward(10)
    assert await hands.shard.prune("default", State.FAILED, 1) == 1
    assert await owner(hands.shard) is None
    assert await hands.put(job("b", with_failed)) == [True]


async def test_an_old_job_does_not_free_the_key_of_a_new_one(hands: Hands) -> None:
    with_failed = "key:s:wdbaf:0"
    await hands.settle(failed((await hands.active(job("a", with_failed)))[0]))
    await hands.shard.free_unique("key")
    await hands.put(job("b", with_failed))
    hands.clock.forward(10)
    await hands.shard.prune("default", State.FAILED, 1)
    assert await owner(hands.shard) == "b"


WISHES = {
    "a": "key-1:s:wdba:0",
    "c": "key-3-:s:wdb:0",
    "b": "key-two:s:wdba:0",
    "d": "key-4:s:wdba:0",
    "e": "key5:k:wdba:0",
}


@pytest.mark.parametrize("lane_key", ["", "g=tenant"])
async def test_of_jobs_that_start_together_each_leaves_its_own_key_when_its_own_wish_says_so(
    hands: Hands, lane_key: str
) -> None:
    await hands.put(*(job(name, unique, lane_key=lane_key) for name, unique in WISHES.items()))
    await hands.join()
    deliveries = await hands.fetch(want=5)
    keys = {name: unique.partition(":")[0] for name, unique in WISHES.items()}
    started = {name: await owner(hands.shard, key) for name, key in keys.items()}
    assert started == {"a": "a", "b": "b", "c": None, "d": "d", "e": "e"}
    assert await hands.settle(*map(done, deliveries)) == [1] * 5
    assert [await owner(hands.shard, key) for key in keys.values()] == [None] * 5


@pytest.mark.parametrize("order", [1, -1])
async def test_of_two_that_end_together_the_one_that_has_the_key_frees_it(hands: Hands, order: int) -> None:
    await hands.put(job("old", "key:s:wdb:0"))
    await hands.join()
    (old,) = await hands.fetch(want=1)
    await hands.put(job("new"))
    (new,) = await hands.fetch(want=1)
    assert await owner(hands.shard) == "new"
    following = Settlement(new.id, new.fence, done(new).verdict, children=[job("next", "key:s:wdbac:0")])
    assert await hands.settle(*[done(old), following][::order]) == [1, 1]
    assert await owner(hands.shard) == "next"


async def test_a_zombie_does_not_free_the_key(hands: Hands) -> None:
    (delivery,) = await hands.active(job("a"))
    hands.clock.forward(LEASE_MS + 1)
    await hands.monitor()
    await hands.take_over()
    assert await hands.settle(done(delivery)) == [0]
    assert await owner(hands.shard) == "a"


# --- periods ---------------------------------------------------------------------------------------------------------


async def test_the_first_one_is_throttled_by_has_the_key_for_the_period_even_when_it_has_ended(hands: Hands) -> None:
    hands.shard.retention = Retention(completed=0, least=0)
    await hands.settle(done((await hands.active(job("a", THROTTLE)))[0]))
    assert await hands.states("a") == [None]
    hands.clock.forward(4_999)
    assert await hands.put(job("b", THROTTLE)) == [Met("a", False)]
    hands.clock.forward(1)
    assert await hands.put(job("b", THROTTLE)) == [True]
    assert await owner(hands.shard) == "b"


async def test_a_throttled_key_is_free_after_its_period_even_when_its_owner_goes_on(hands: Hands) -> None:
    (delivery,) = await hands.active(job("a", THROTTLE))
    hands.clock.forward(5_000)
    assert await hands.put(job("b", THROTTLE)) == [True]
    await hands.settle(done(delivery))
    assert await owner(hands.shard) == "b"


async def test_a_period_ends_what_an_owner_would_keep_for_longer(hands: Hands) -> None:
    bounded = "key:s:wdba:5000"
    await hands.put(job("a", bounded))
    hands.clock.forward(4_999)
    assert await hands.put(job("b", bounded)) == [Met("a", False)]
    hands.clock.forward(1)
    assert await hands.put(job("b", bounded)) == [True]
    await hands.shard.cancel(["a"], {})
    assert await owner(hands.shard) == "b"


async def test_keys_whose_period_is_over_are_swept_in_bounded_steps(hands: Hands, whole: Callable[[], raw.Raw]) -> None:
    for at in range(3):
        await hands.put(*(job(f"j{at}-{n}", f"k{at}-{n}:s:wdba:1000") for n in range(200)))
    await hands.put(job("stays", THROTTLE))
    hands.clock.forward(1_000)
    assert [await hands.shard.sweep() for _ in range(3)] == [500, 100, 0]
    assert set(whole().uniques) == {"key"}


async def test_a_key_that_was_taken_anew_is_not_swept_by_its_old_end(hands: Hands) -> None:
    await hands.put(job("a", "key:s:wdba:1000"))
    hands.clock.forward(1_000)
    await hands.put(job("b", SIMPLE))
    hands.clock.forward(10_000)
    assert await hands.shard.sweep() == 0
    assert await owner(hands.shard) == "b"
