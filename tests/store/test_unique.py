"""Unique keys in the store: who owns them, what becomes of those who find them taken, and every way to let go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from jobd.domain.delivery import Met, NewJob
from jobd.domain.settle import COMPLETED, Verdict
from jobd.domain.state import State
from jobd.errors import OptionError, UniqueConflict
from jobd.store import link
from jobd.store.link import Argument
from jobd.store.shard import Retention, Settlement, Shard
from jobd.store.store import Store
from jobd.store.unique_keys import UniqueKey
from tests.store import raw
from tests.store.hands import (
    CRASHED_ALONE,
    LEASE_MS,
    LOST,
    BentLink,
    Clock,
    Hands,
    LossyLink,
    cancelled,
    done,
    ended,
    failed,
    given_back,
    ids,
    new_job,
    retried,
)
from tests.store.strict_scripts import strict

SIMPLE = "key:s:wdba:0"
INSISTING = "key:s!:wdba:0"
THROTTLE = "key:s:wdbacfxg:5000"
DEBOUNCE = "key:r:wdb:0"
REPLACE = "key:r:wdba:0"
KEEP_LAST = "key:k:wdba:0"


@pytest.fixture(autouse=True)
async def under_watch(monkeypatch: pytest.MonkeyPatch, hands: Hands) -> None:
    monkeypatch.setattr(link, "load", strict)
    await hands.join()


@pytest.fixture
async def whole(hands: Hands, redis_url: str) -> Callable[[], raw.Raw]:
    """Reads all keys and checks that they agree."""
    from redis import Redis

    def look() -> raw.Raw:
        with Redis.from_url(redis_url) as outside:
            found = raw.read(outside, hands.shard.keys.base)
        raw.check(found)
        return found

    return look


def job(job_id: str, unique: str = SIMPLE, **more: Any) -> NewJob:
    return new_job(job_id, unique=unique, **more)


async def owner(shard: Shard, name: str = "key") -> str | None:
    key = await shard.unique_key(name)
    return key.owner if key else None


async def payload(hands: Hands, job_id: str) -> Any:
    return (await hands.job(job_id)).data


# --- one at a time ---------------------------------------------------------------------------------------------------


async def test_a_second_job_of_a_key_is_not_made_and_is_told_of_the_first(hands: Hands) -> None:
    assert await hands.put(job("a")) == [True]
    assert await hands.put(job("b"), new_job("other"), job("c")) == [Met("a", False), True, Met("a", False)]
    assert await hands.states("a", "b", "c", "other") == [State.WAITING, None, None, State.WAITING]
    assert await hands.counts() == {State.WAITING: 2}


async def test_of_several_in_one_call_the_first_is_made(hands: Hands) -> None:
    assert await hands.put(job("a"), job("b"), job("c", unique="other:s:wdba:0")) == [True, Met("a", False), True]


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


# --- newest data -----------------------------------------------------------------------------------------------------


async def test_a_debounced_job_has_the_newest_data_and_its_delay_begins_anew(
    hands: Hands, whole: Callable[[], raw.Raw]
) -> None:
    await hands.put(job("a", DEBOUNCE, due="+1000", payload=b"1"))
    hands.clock.forward(900)
    assert await hands.put(job("b", DEBOUNCE, due="+1000", payload=b"2")) == [Met("a", True)]
    hands.clock.forward(900)
    assert (await hands.shard.promote())[0] == 0
    assert await hands.put(job("c", DEBOUNCE, due="+1000", payload=b"3")) == [Met("a", True)]
    whole()
    hands.clock.forward(1_000)
    await hands.shard.promote()
    (delivery,) = await hands.fetch()
    assert (delivery.id, delivery.payload) == ("a", b"3")
    assert await hands.put(job("d", DEBOUNCE, due="+1000")) == [True]
    whole()


async def test_a_debounced_job_that_is_due_and_not_started_is_delayed_again(
    hands: Hands, whole: Callable[[], raw.Raw]
) -> None:
    await hands.put(job("a", DEBOUNCE, due="+1000", payload=b"1"))
    hands.clock.forward(1_000)
    await hands.shard.promote()
    assert await hands.put(job("b", DEBOUNCE, due="+1000", payload=b"2")) == [Met("a", True)]
    assert await hands.counts() == {State.DELAYED: 1}
    assert await hands.fetch() == []
    hands.clock.forward(1_000)
    await hands.shard.promote()
    whole()
    assert [(delivery.id, delivery.payload) for delivery in await hands.fetch()] == [("a", b"2")]
    assert await hands.fetch() == []


async def test_a_replacement_brings_data_priority_and_time_and_keeps_the_id(
    hands: Hands, whole: Callable[[], raw.Raw]
) -> None:
    await hands.put(job("a", REPLACE, payload=b"1", due="+9000", timeout_ms=5))
    await hands.put(*(new_job(f"n{at}") for at in range(3)))
    created = (await hands.job("a")).created_at
    hands.clock.forward(10)
    assert await hands.put(job("b", REPLACE, payload=b"2", priority=1, timeout_ms=6)) == [Met("a", True)]
    whole()
    now = await hands.job("a")
    assert (now.data, now.priority, now.status, now.timeout_ms) == (2, 1, State.WAITING, 6)
    assert now.created_at == created
    assert ids(await hands.fetch(want=1)) == ["a"]


async def test_a_replacement_may_go_to_another_queue_and_lane(hands: Hands, whole: Callable[[], raw.Raw]) -> None:
    await hands.put(job("a", REPLACE, queue="one", lane_key="g=x"))
    assert await hands.put(job("b", REPLACE, queue="two", lane_key="g=y")) == [Met("a", True)]
    whole()
    assert await hands.counts("one") == {}
    assert await hands.counts("two") == {State.WAITING: 1}
    await hands.join("one", "one")
    assert await hands.fetch("one") == []
    assert ids(await hands.fetch("w1")) == ["a"]


async def test_one_that_is_replaced_by_the_same_keeps_its_place(hands: Hands) -> None:
    await hands.put(job("a", REPLACE, payload=b"1"), new_job("behind"))
    await hands.put(job("b", REPLACE, payload=b"2"))
    assert [delivery.payload for delivery in await hands.fetch()] == [b"2", b"{}"]


async def test_what_has_started_is_not_replaced(hands: Hands) -> None:
    (delivery,) = await hands.active(job("a", REPLACE, payload=b"1"))
    assert await hands.put(job("b", REPLACE, payload=b"2")) == [Met("a", False)]
    await hands.settle(retried(delivery))
    assert await hands.put(job("b", REPLACE, payload=b"2")) == [Met("a", False)]
    assert await payload(hands, "a") == 1


async def test_several_of_a_key_in_one_call_leave_one_with_the_newest_data(
    hands: Hands, whole: Callable[[], raw.Raw]
) -> None:
    jobs = [
        job("a", REPLACE, payload=b"1"),
        job("b", REPLACE, payload=b"2", due="+500"),
        job("c", REPLACE, payload=b"3", queue="other", due="+900"),
        job("d", REPLACE, payload=b"4", priority=2),
        job("e", REPLACE, payload=b"5", due="+700"),
    ]
    made = await hands.put(*jobs)
    assert made == [True, *[Met("a", True)] * 4]
    whole()
    assert await hands.counts() == {State.DELAYED: 1}
    assert await hands.counts("other") == {}
    assert (await hands.shard.promote())[1] == 700


async def test_a_turn_in_an_order_is_given_back_by_one_that_is_replaced(hands: Hands) -> None:
    await hands.put(job("a", REPLACE, lane_key="o=x", type="odd"), new_job("b", lane_key="o=x"))
    assert await hands.fetch() == []  # it stands aside with its turn
    await hands.put(job("c", REPLACE, due="+9000"))
    assert ids(await hands.fetch()) == ["b"]


# --- keep last -------------------------------------------------------------------------------------------------------


async def test_while_one_runs_the_newest_data_waits_and_runs_when_it_has_ended(
    hands: Hands, whole: Callable[[], raw.Raw]
) -> None:
    (delivery,) = await hands.active(job("a", KEEP_LAST, payload=b"1"))
    assert await hands.put(job("b", KEEP_LAST, payload=b"2")) == [True]
    assert await hands.put(job("c", KEEP_LAST, payload=b"3")) == [Met("b", True)]
    whole()
    assert await hands.states("b") == [State.BLOCKED]
    await hands.settle(retried(delivery))
    hands.clock.forward(1_000)
    await hands.shard.promote()
    (delivery,) = await hands.fetch()
    assert delivery.id == "a"
    assert await hands.put(job("d", KEEP_LAST, payload=b"4")) == [Met("b", True)]
    await hands.settle(done(delivery))
    whole()
    (follower,) = await hands.fetch()
    assert (follower.id, follower.payload) == ("b", b"4")
    assert await owner(hands.shard) == "b"
    await hands.settle(done(follower))
    assert whole().uniques == {}


async def test_one_that_has_not_started_gets_the_newest_data_itself(hands: Hands) -> None:
    await hands.put(job("a", KEEP_LAST, payload=b"1"))
    assert await hands.put(job("b", KEEP_LAST, payload=b"2")) == [Met("a", True)]
    assert await payload(hands, "a") == 2
    assert await hands.counts() == {State.WAITING: 1}


@pytest.mark.parametrize("way", [failed, cancelled, done])
async def test_a_follower_goes_on_however_the_owner_ends(hands: Hands, way: Callable[[Any], Settlement]) -> None:
    (delivery,) = await hands.active(job("a", KEEP_LAST))
    await hands.put(job("b", KEEP_LAST))
    await hands.settle(way(delivery))
    assert ids(await hands.fetch()) == ["b"]


async def test_a_follower_goes_on_when_an_owner_between_attempts_is_cancelled(
    hands: Hands, whole: Callable[[], raw.Raw]
) -> None:
    (delivery,) = await hands.active(job("a", KEEP_LAST))
    await hands.put(job("b", KEEP_LAST))
    await hands.settle(retried(delivery))
    await hands.shard.cancel(["a"], {})
    whole()
    assert ids(await hands.fetch()) == ["b"]


async def test_owner_and_follower_may_be_cancelled_in_one_call(hands: Hands, whole: Callable[[], raw.Raw]) -> None:
    (delivery,) = await hands.active(job("a", KEEP_LAST))
    await hands.put(job("b", KEEP_LAST))
    await hands.settle(retried(delivery))
    assert await hands.shard.cancel(["a", "b"], {}) == ["cancelled", "cancelled"]
    assert whole().uniques == {}


async def test_when_a_follower_is_cancelled_another_one_may_follow(hands: Hands, whole: Callable[[], raw.Raw]) -> None:
    (delivery,) = await hands.active(job("a", KEEP_LAST))
    await hands.put(job("b", KEEP_LAST))
    await hands.shard.cancel(["b"], {})
    whole()
    assert await hands.put(job("c", KEEP_LAST)) == [True]
    await hands.settle(done(delivery))
    assert ids(await hands.fetch()) == ["c"]


async def test_a_follower_with_a_delay_is_delayed_for_what_is_left_of_it(hands: Hands) -> None:
    (delivery,) = await hands.active(job("a", KEEP_LAST))
    await hands.put(job("b", KEEP_LAST, due="+5000"))
    hands.clock.forward(2_000)
    await hands.settle(done(delivery))
    assert await hands.states("b") == [State.DELAYED]
    assert (await hands.shard.promote())[1] == 3_000


async def test_a_follower_whose_key_another_takes_waits_no_longer(hands: Hands, whole: Callable[[], raw.Raw]) -> None:
    await hands.active(job("a", KEEP_LAST))
    await hands.put(job("b", KEEP_LAST))
    assert await hands.put(job("c", DEBOUNCE, due="+10")) == [True]
    whole()
    assert await hands.states("b", "c") == [State.WAITING, State.DELAYED]
    assert await owner(hands.shard) == "c"


# --- repeats ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unique", [SIMPLE, INSISTING, THROTTLE, DEBOUNCE, REPLACE, KEEP_LAST])
async def test_an_enqueue_whose_reply_is_lost_makes_one_job(hands: Hands, unique: str) -> None:
    lossy = LossyLink(hands.shard.link)
    hands.shard.link = lossy
    lossy.losing = 2
    assert await hands.put(job("a", unique, due="+100")) == [True]
    assert await hands.counts() == {State.DELAYED: 1}


async def test_a_repeat_does_not_put_older_data_over_newer(hands: Hands) -> None:
    await hands.put(job("a", REPLACE, payload=b"1"))
    plain = hands.shard.link

    async def newer() -> None:
        lossy, hands.shard.link = hands.shard.link, plain
        await hands.put(job("c", REPLACE, payload=b"3"))
        hands.shard.link = lossy

    lossy = LossyLink(plain)
    hands.shard.link = lossy
    lossy.losing, lossy.before_repeat = 1, newer
    assert await hands.put(job("b", REPLACE, payload=b"2")) == [Met("a", True)]
    assert await payload(hands, "a") == 3


async def test_a_repeat_whose_data_has_run_does_not_run_it_again(hands: Hands) -> None:
    await hands.put(job("a", DEBOUNCE, payload=b"1"))
    plain = hands.shard.link

    async def run() -> None:
        lossy, hands.shard.link = hands.shard.link, plain
        (delivery,) = await hands.fetch()
        assert delivery.payload == b"2"
        await hands.settle(done(delivery))
        hands.shard.link = lossy

    lossy = LossyLink(plain)
    hands.shard.link = lossy
    lossy.losing, lossy.before_repeat = 1, run
    assert await hands.put(job("b", DEBOUNCE, payload=b"2")) == [Met("a", True)]
    assert await hands.counts() == {State.COMPLETED: 1}


async def test_a_copy_that_comes_behind_its_answered_repeat_makes_nothing(hands: Hands) -> None:
    await hands.put(job("a"))
    sent_us = hands.clock.ms * 1_000
    plain = hands.shard.link

    def first_sending(first: Sequence[Argument], again: Sequence[Argument]) -> Sequence[Argument]:
        return [*first[:3], sent_us, "", *first[5:]]

    hands.shard.link = BentLink(plain, lambda first, again: again)
    assert await hands.put(job("b")) == [Met("a", False)]
    hands.shard.link = plain
    await hands.shard.cancel(["a"], {})
    hands.clock.forward(3_000)
    hands.shard.link = BentLink(plain, first_sending)
    assert await hands.put(job("b")) == [Met("a", False)]
    assert await hands.states("b") == [None]


# --- batches ---------------------------------------------------------------------------------------------------------


async def test_a_large_batch_respects_keys(hands: Hands, store: Store, whole: Callable[[], raw.Raw]) -> None:
    await hands.put(job("a", "k7:s:wdba:0"))
    jobs = [job(f"b{at}", f"k{at % 600}:s:wdba:0") for at in range(1_100)]
    made = await store.enqueue(jobs)
    assert made[7] == Met("a", False)
    assert made[:600].count(True) == 599
    assert made[600:] == [Met("a" if at % 600 == 7 else f"b{at % 600}", False) for at in range(600, 1_100)]
    whole()
    assert await hands.counts() == {State.WAITING: 600}


async def test_a_large_batch_that_meets_a_refusal_leaves_nothing(
    hands: Hands, store: Store, whole: Callable[[], raw.Raw]
) -> None:
    await hands.put(job("a"))
    with pytest.raises(UniqueConflict):
        await store.enqueue([*(job(f"b{at}", f"k{at}:s:wdba:0") for at in range(700)), job("c", INSISTING)])
    assert set(whole().uniques) == {"key"}
    assert await hands.counts() == {State.WAITING: 1}


async def test_a_large_batch_takes_no_job_that_may_give_its_data_away(store: Store) -> None:
    giving = NewJob("x", "default", 5, "", job("x", REPLACE).spec, gives_data=True)
    with pytest.raises(OptionError, match="batches of up to 500; this has 601 jobs"):
        await store.enqueue([*(new_job() for _ in range(600)), giving])
    assert await store.counts() == {}


# --- from handlers ---------------------------------------------------------------------------------------------------


async def test_what_a_handler_enqueues_respects_keys_and_ends_with_its_job(hands: Hands) -> None:
    await hands.put(job("a", "taken:s:wdba:0"))
    await hands.shard.cancel([], {})
    (first,) = await hands.fetch(want=1)
    (parent,) = await hands.active(new_job("parent"))
    children = [job("b", "taken:s!:wdba:0"), job("c", "free:s:wdba:0"), job("d", "free:s:wdba:0")]
    assert await hands.settle(done(parent, children=children)) == [1]
    assert await hands.states("parent", "b", "c", "d") == [State.COMPLETED, None, State.WAITING, None]
    assert await hands.settle(done(first, children=[job("e", "taken:s:wdba:0")])) == [1]
    assert await hands.states("e") == [State.WAITING]


async def test_a_job_may_enqueue_the_next_one_of_its_own_key(hands: Hands, whole: Callable[[], raw.Raw]) -> None:
    (delivery,) = await hands.active(job("a"))
    await hands.settle(done(delivery, children=[job("b")]))
    whole()
    assert await owner(hands.shard) == "b"


async def test_what_a_handler_enqueues_goes_to_the_follower_that_its_own_end_let_go(
    hands: Hands, whole: Callable[[], raw.Raw]
) -> None:
    (delivery,) = await hands.active(job("a", KEEP_LAST))
    await hands.put(job("b", KEEP_LAST, payload=b"2"))
    await hands.settle(done(delivery, children=[job("c", KEEP_LAST, payload=b"3", due="+50")]))
    whole()
    assert await hands.states("b", "c") == [State.DELAYED, None]
    assert await payload(hands, "b") == 3


async def test_settling_again_does_not_enqueue_again(hands: Hands) -> None:
    (delivery,) = await hands.active(job("a"))
    settlement = done(delivery, children=[job("b")])
    assert await hands.settle(settlement) == [1]
    (second,) = await hands.fetch()
    await hands.settle(done(second))
    assert await hands.settle(settlement) == [2]
    assert await hands.counts() == {State.COMPLETED: 2}


# --- by hand ---------------------------------------------------------------------------------------------------------


async def test_a_job_that_is_run_again_by_hand_takes_its_key_again(hands: Hands, whole: Callable[[], raw.Raw]) -> None:
    await hands.settle(failed((await hands.active(job("a")))[0]))
    assert await hands.shard.retry(["a"]) == ["waiting"]
    whole()
    assert await hands.put(job("b")) == [Met("a", False)]


async def test_a_job_is_not_run_again_while_another_has_its_key(hands: Hands, whole: Callable[[], raw.Raw]) -> None:
    await hands.settle(failed((await hands.active(job("a")))[0]))
    await hands.settle(failed((await hands.active(job("b")))[0]))
    assert await hands.shard.retry(["a", "b"]) == ["waiting", "unique a"]
    whole()
    assert await hands.shard.retry(["b"]) == ["unique a"]
    assert await hands.states("b") == [State.FAILED]


async def test_the_period_of_a_throttled_key_does_not_stop_a_retry_by_hand(hands: Hands) -> None:
    (first,) = await hands.active(job("a", THROTTLE))
    await hands.settle(failed(first))
    hands.clock.forward(5_000)
    await hands.put(job("b", THROTTLE))
    assert await hands.shard.retry(["a"]) == ["waiting"]
    assert await owner(hands.shard) == "b"


async def test_a_key_tells_who_has_it_since_when_and_until_when(hands: Hands, clock: Clock) -> None:
    await hands.active(job("a", KEEP_LAST))
    await hands.put(job("b", KEEP_LAST), job("c", "other:s:wdba:500"))
    keys, more = await hands.shard.unique_keys(0, 100)
    assert more == 0
    assert sorted(keys, key=lambda key: key.name) == [
        UniqueKey("key", "a", clock.ms, 0, "b"),
        UniqueKey("other", "c", clock.ms, clock.ms + 500, ""),
    ]
    clock.forward(500)
    assert [key.name for key in (await hands.shard.unique_keys(0, 100))[0]] == ["key"]
    assert await hands.shard.unique_key("other") is None


async def test_a_key_is_freed_from_the_owner_that_is_named_and_no_other(
    hands: Hands, whole: Callable[[], raw.Raw]
) -> None:
    (delivery,) = await hands.active(job("a"))
    was = await hands.shard.unique_key("key")
    assert await hands.shard.free_unique("key", "z") == (False, was)
    assert await hands.shard.free_unique("key", "a") == (True, was)
    assert await hands.shard.free_unique("key") == (True, None)
    await hands.put(job("b"))
    await hands.settle(done(delivery))
    assert await owner(hands.shard) == "b"


async def test_freeing_a_key_lets_the_follower_go(hands: Hands, whole: Callable[[], raw.Raw]) -> None:
    await hands.active(job("a", KEEP_LAST))
    await hands.put(job("b", KEEP_LAST))
    await hands.shard.free_unique("key")
    assert whole().uniques == {}
    assert ids(await hands.fetch()) == ["b"]


async def test_an_owner_of_several_gates_lets_go_of_all(hands: Hands, whole: Callable[[], raw.Raw]) -> None:
    (delivery,) = await hands.active(job("a", lane_key="o=x;c=y:2"))
    assert whole().holds == {"o/default/x": "a", "c/y": "1"}
    await hands.settle(retried(delivery))
    assert await owner(hands.shard) == "a"
    hands.clock.forward(1_000)
    await hands.shard.promote()
    await hands.settle(Settlement("a", (await hands.fetch())[0].fence, COMPLETED))
    found = whole()
    assert (found.holds, found.uniques) == ({}, {})
