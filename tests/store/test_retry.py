"""Ended jobs are run again by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jobd.domain.delivery import Delivery
from jobd.domain.settle import Verdict
from jobd.domain.state import State
from jobd.store.shard import Settlement, Shard
from tests.store.hands import (
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
)
from tests.store.raw import Raw

End = Callable[[Delivery], Settlement]


@pytest.mark.parametrize("end", [done, failed, cancelled])
async def test_an_ended_job_waits_again_with_all_its_attempts(hands: Hands, shard: Shard, end: End) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("a", priority=3))
    await shard.settle("w1", [end(delivery)])
    assert await shard.retry(["a"]) == ["waiting"]
    job = await hands.job("a")
    assert (job.status, job.attempt, job.deliveries, job.result, job.finished_at) == (State.WAITING, 0, 1, None, None)
    assert len(job.attempts) == 1
    assert job.attempts[0].worker == "w1"
    assert await hands.counts() == {State.WAITING: 1}
    (delivery,) = await hands.fetch()
    assert (delivery.id, delivery.attempt, delivery.deliveries) == ("a", 1, 2)
    await shard.settle("w1", [done(delivery)])
    assert len((await hands.job("a")).attempts) == 2
    assert await hands.counts() == {State.COMPLETED: 1}


async def test_a_job_that_was_cancelled_before_it_ran_waits_again(hands: Hands, shard: Shard) -> None:
    await hands.join()
    await hands.put(new_job("a"), new_job("b", due="+1000"))
    await shard.cancel(["a", "b"], {})
    assert await shard.retry(["a", "b"]) == ["waiting", "waiting"]
    assert sorted(ids(await hands.fetch())) == ["a", "b"]


async def test_a_delayed_job_that_is_run_again_by_hand_may_run_at_once_and_says_so(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    await hands.join()
    await hands.put(new_job("a", due="+60000", delay_ms=60_000))
    await shard.cancel(["a"], {})
    clock.forward(1_000)
    await shard.retry(["a"])
    assert (await hands.job("a")).run_at.timestamp() * 1_000 == clock.ms
    (delivery,) = await hands.fetch()
    clock.forward(5)
    assert (await hands.job("a")).run_at.timestamp() * 1_000 == clock.ms - 5
    await shard.settle("w1", [done(delivery)])
    assert (await hands.job("a")).run_at.timestamp() * 1_000 == clock.ms - 5


async def test_a_result_does_not_outlive_the_retry(hands: Hands, shard: Shard) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("a"))
    await shard.settle("w1", [done(delivery, b"1")])
    await shard.retry(["a"])
    assert await shard.link.command("HLEN", shard.keys.fixed("results")) == 0


async def test_poison_that_is_retried_by_hand_is_no_suspect_and_has_a_clean_record(hands: Hands, shard: Shard) -> None:
    await hands.join()
    await hands.join("solo", "!*")
    (delivery,) = await hands.active(new_job("a"))
    await shard.settle("w1", [ended(delivery, LOST, "lost")])
    (delivery,) = await hands.fetch("solo")
    await shard.settle("solo", [ended(delivery, Verdict(State.FAILED, crashed=True, poison=True), "lost")])
    assert await shard.retry(["a"]) == ["waiting"]
    (delivery,) = await hands.fetch("w1")
    assert (delivery.suspect, delivery.crashes) == (False, 0)


async def test_jobs_that_have_not_ended_stay_as_they_are(hands: Hands, shard: Shard) -> None:
    await hands.join()
    await hands.active(new_job("active"))
    await hands.put(new_job("waiting"), new_job("delayed", due="+9"))
    await shard.stage("batch", [new_job("blocked")])
    names = ["active", "waiting", "delayed", "blocked", "missing"]
    assert await shard.retry(names) == names
    assert await hands.states(*names[:-1]) == names[:-1]


async def test_a_job_that_was_given_back_and_waits_is_counted_once(
    hands: Hands, shard: Shard, whole: Callable[[], Raw]
) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("a", lane_key="g=x"))
    await hands.settle(given_back(delivery))
    assert await shard.retry(["a"]) == ["waiting"]
    whole()
    assert ids(await hands.fetch()) == ["a"]


async def test_a_job_is_run_again_as_often_as_one_likes(hands: Hands, shard: Shard) -> None:
    await hands.join()
    await hands.put(new_job("a"))
    for _ in range(3):
        (delivery,) = await hands.fetch()
        await hands.settle(failed(delivery))
        assert await shard.retry(["a"]) == ["waiting"]


async def test_a_job_that_is_run_again_counts_in_its_group_and_waits_no_longer_than_it_may(
    hands: Hands, shard: Shard, clock: Clock, whole: Callable[[], Raw]
) -> None:
    await hands.put(new_job("a", lane_key="g=x", queue_timeout_ms=1_000))
    for _ in range(2):
        clock.forward(1_000)
        assert await shard.expire() == 1
        assert await hands.states("a") == [State.FAILED]
        assert await shard.retry(["a"]) == ["waiting"]
        whole()


async def test_a_job_that_is_run_again_at_the_front_of_its_order_is_not_stopped_by_what_stops_the_first_there(
    hands: Hands, shard: Shard, whole: Callable[[], Raw]
) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("a", lane_key="o=key", front=True))
    await hands.settle(failed(delivery))
    await shard.set_rule("g/default/shut", {"paused": {"reason": "why"}})
    await hands.put(new_job("first", lane_key="g=shut;o=key"))
    assert await hands.fetch() == []
    await shard.retry(["a"])
    whole()
    assert ids(await hands.fetch()) == ["a"]


async def test_an_id_that_is_twice_in_one_call_is_retried_once(hands: Hands, shard: Shard) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("a"))
    await shard.settle("w1", [failed(delivery)])
    assert await shard.retry(["a", "a"]) == ["waiting", "waiting"]
    assert await hands.counts() == {State.WAITING: 1}


@pytest.mark.parametrize("end", [done, failed])
async def test_a_repeat_does_not_run_a_job_again_that_has_ended_once_more_meanwhile(
    hands: Hands,
    shard: Shard,
    clock: Clock,
    end: End,
) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("a"))
    await shard.settle("w1", [end(delivery)])
    clock.forward(1_000)
    plain = shard.link
    shard.link = link = LossyLink(plain)
    link.losing = 1

    async def it_runs() -> None:
        shard.link = plain
        clock.forward(5)
        (delivery,) = await hands.fetch()
        await shard.settle("w1", [end(delivery)])

    link.before_repeat = it_runs
    assert await shard.retry(["a"]) == ["waiting"]
    assert (await hands.job("a")).status.value in ("completed", "failed")
    assert await hands.fetch() == []


async def test_a_repeat_whose_first_sending_was_lost_still_retries(hands: Hands, shard: Shard, clock: Clock) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("a"))
    await shard.settle("w1", [failed(delivery)])
    await shard.retry(["a"])
    (delivery,) = await hands.fetch()
    await shard.settle("w1", [failed(delivery)])
    clock.forward(1)
    shard.link = BentLink(shard.link, lambda _, again: again)
    assert await shard.retry(["a"]) == ["waiting"]
    assert await hands.states("a") == [State.WAITING]
