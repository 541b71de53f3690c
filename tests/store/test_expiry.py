"""Jobs that wait although their time has passed, and deliveries that know their limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobd.domain.delivery import Delivery
from jobd.domain.settle import Verdict
from jobd.domain.state import State
from jobd.domain.time_limits import EXPIRED, PAST_DEADLINE, WAITED_TOO_LONG
from jobd.domain.when import When
from jobd.store.shard import DEADLINE_MARGIN_MS, Retention, Settlement, Shard
from tests.store.hands import Clock, Hands, cancelled, done, ended, failed, given_back, new_job, retried

IN_A_SECOND = When(after_ms=1_000)
DAY_MS = 86_400_000


async def looked_at(shard: Shard) -> dict[str, int]:
    flat = await shard.link.command("ZRANGE", shard.keys.fixed("expiring"), 0, -1, "WITHSCORES")
    pairs = flat if flat and isinstance(flat[0], list | tuple) else zip(flat[::2], flat[1::2], strict=True)
    return {job_id.decode(): int(score) for job_id, score in pairs}


LIMITS: list[tuple[dict[str, Any], State, Any]] = [
    ({"expires": IN_A_SECOND}, State.CANCELLED, EXPIRED),
    ({"deadline": IN_A_SECOND}, State.FAILED, PAST_DEADLINE),
    ({"queue_timeout_ms": 1_000}, State.FAILED, WAITED_TOO_LONG),
]


@pytest.mark.parametrize(("limit", "state", "outcome"), LIMITS)
async def test_a_job_that_waits_too_long_is_ended_with_the_reason(
    hands: Hands, shard: Shard, clock: Clock, limit: dict[str, Any], state: State, outcome: Any
) -> None:
    await hands.put(new_job("a", **limit), new_job("b"), new_job("c", priority=1))
    clock.forward(999)
    assert await shard.expire() == 0
    assert await hands.states("a") == [State.WAITING]
    clock.forward(1)
    assert await shard.expire() == 1
    (job,) = await shard.get(["a"])
    assert job is not None
    assert (job.status, job.reason, job.error, job.attempts) == (state, outcome.reason, outcome.error, ())
    assert job.finished_at is not None
    assert await hands.counts() == {"waiting": 2, state: 1}
    assert await looked_at(shard) == {}
    await hands.join()
    assert [delivery.id for delivery in await hands.fetch()] == ["c", "b"]


@pytest.mark.parametrize(("limit", "state", "outcome"), LIMITS)
async def test_a_delivery_that_comes_too_late_says_so(
    hands: Hands, shard: Shard, clock: Clock, limit: dict[str, Any], state: State, outcome: Any
) -> None:
    await hands.join()
    await hands.put(new_job("a", **limit), new_job("b", lane_key="g=x", **limit))
    clock.forward(999)
    (early,) = await hands.fetch(want=1)
    clock.forward(1)
    (late,) = await hands.fetch(want=1)
    assert early.limits is not None
    assert late.limits is not None
    assert early.limits.missed(early.started_ms) is None
    assert late.limits.missed(late.started_ms) == outcome
    assert await hands.settle(ended(late, Verdict(state, spent=False), "expired")) == [1]
    (job,) = await shard.get([late.id])
    assert job is not None
    assert (job.status, job.attempt) == (state, 0)


async def test_a_job_without_such_limits_is_not_watched(hands: Hands, shard: Shard) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("a", timeout_ms=1_000, metadata={"a": 1}))
    assert delivery.limits is None
    assert await looked_at(shard) == {}


async def test_a_delay_is_no_wait(hands: Hands, shard: Shard, clock: Clock) -> None:
    await hands.put(new_job("a", due="+5000", delay_ms=5_000, queue_timeout_ms=1_000, expires=IN_A_SECOND))
    assert await looked_at(shard) == {"a": clock.ms + 6_000}
    clock.forward(5_000)
    await shard.promote()
    clock.forward(999)
    assert await shard.expire() == 0
    clock.forward(1)
    assert await shard.expire() == 1
    assert await hands.states("a") == [State.CANCELLED]


async def test_a_delayed_job_whose_moment_comes_after_its_deadline_ends(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    await hands.put(new_job("a", due="+5000", delay_ms=5_000, deadline=When(at_ms=clock.ms + 1_000)))
    clock.forward(1_000)
    await shard.expire()
    assert await hands.states("a") == [State.FAILED]
    assert await hands.counts() == {"failed": 1}
    clock.forward(5_000)
    assert await shard.promote() == (0, None)


async def test_each_wait_counts_anew(hands: Hands, shard: Shard, clock: Clock) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("a", queue_timeout_ms=1_000, expires=IN_A_SECOND))
    clock.forward(5_000)
    assert await shard.expire() == 1  # it runs: not now
    assert await hands.states("a") == [State.ACTIVE]
    await hands.settle(retried(delivery, 3_000))
    clock.forward(3_000)
    await shard.promote()
    clock.forward(999)
    (again,) = await hands.fetch()
    assert again.limits is not None
    assert again.limits.missed(again.started_ms) is None
    await hands.settle(given_back(again))
    clock.forward(1_000)
    (late,) = await hands.fetch()
    assert late.limits is not None
    assert late.limits.missed(late.started_ms) == WAITED_TOO_LONG
    await hands.settle(given_back(late))
    clock.forward(60_000)
    await shard.renew(["w1"], 100_000, patience_s=1)
    await shard.expire()
    assert await hands.states("a") == [State.FAILED]


async def test_what_is_run_again_by_hand_runs_in_spite_of_expiry_and_deadline(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    await hands.join()
    await hands.monitor()
    await hands.put(new_job("a", expires=IN_A_SECOND), new_job("b", deadline=IN_A_SECOND, queue_timeout_ms=10_000))
    clock.forward(1_000)
    assert await shard.expire() == 2
    clock.forward(1_000)
    assert await shard.retry(["a", "b"]) == ["waiting", "waiting"]
    clock.forward(5_000)
    assert await shard.expire() == 0
    batch = await hands.fetch()
    assert [delivery.limits and delivery.limits.missed(delivery.started_ms) for delivery in batch] == [None, None]
    await shard.renew(["w1", "m1"], 100_000, patience_s=1)
    clock.forward(DEADLINE_MARGIN_MS)
    assert await hands.take_over() == []


async def test_a_job_that_has_ended_is_forgotten_within_a_day(hands: Hands, shard: Shard, clock: Clock) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("a", deadline=When(after_ms=400 * DAY_MS)))
    assert await looked_at(shard) == {"a": clock.ms + DAY_MS}
    await hands.settle(done(delivery))
    clock.forward(DAY_MS)
    assert await shard.expire() == 1
    assert await looked_at(shard) == {}


async def test_one_that_goes_on_waiting_is_looked_at_again(hands: Hands, shard: Shard, clock: Clock) -> None:
    await hands.put(new_job("a", expires=When(after_ms=2 * DAY_MS)))
    clock.forward(DAY_MS)
    assert await shard.expire() == 1
    assert await looked_at(shard) == {"a": clock.ms + DAY_MS}
    clock.forward(DAY_MS)
    await shard.expire()
    assert await hands.states("a") == [State.CANCELLED]


async def test_an_enqueue_that_is_sent_twice_is_one_job(hands: Hands, shard: Shard) -> None:
    job = new_job("a", expires=IN_A_SECOND)
    assert await hands.put(job) == [True]
    assert await hands.put(job) == [False]
    assert len(await looked_at(shard)) == 1


async def test_who_waits_for_its_end_is_told(hands: Hands, shard: Shard, clock: Clock) -> None:
    await hands.put(new_job("a", expires=IN_A_SECOND))
    await shard.watch("a", "client")
    clock.forward(1_000)
    await shard.expire()
    assert await hands.words("client") == ["ended a"]


async def test_what_it_held_back_goes_on(hands: Hands, shard: Shard, clock: Clock) -> None:
    """The head of an ordering key that is too late while it waits for its retry gives the turn away."""
    await hands.join()
    head, follower = new_job("a", lane_key="o=x", deadline=IN_A_SECOND), new_job("b", lane_key="o=x")
    (delivery,) = await hands.active(head, follower)
    await hands.settle(retried(delivery, 10_000))
    clock.forward(1_000)
    assert await hands.fetch() == []
    await shard.expire()
    assert await hands.states("a") == [State.FAILED]
    assert [delivery.id for delivery in await hands.fetch()] == ["b"]


async def test_a_delivery_is_taken_over_when_it_is_silent_or_past_its_deadline(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    await hands.join()
    await hands.monitor()
    silent, late, other = await hands.active(
        new_job("silent", heartbeat_timeout_ms=1_000, timeout_ms=60_000),
        new_job("late", deadline=When(after_ms=2_000), timeout_ms=60_000),
        new_job("other", heartbeat_timeout_ms=3_000),
    )
    assert (silent.timeout_ms, late.timeout_ms, other.timeout_ms) == (60_000, 60_000, 0)
    assert [each.limits and each.limits.heartbeat_ms for each in (silent, late, other)] == [1_000, 0, 3_000]
    (job,) = await shard.get(["silent"])
    assert job is not None
    assert (job.timeout_ms, job.options.heartbeat_timeout_ms) == (60_000, 1_000)
    clock.forward(1_000 + DEADLINE_MARGIN_MS)
    (item,) = await hands.take_over()
    assert (item.delivery.id, item.overdue) == ("silent", True)
    await shard.settle("m1", [failed(item.delivery)])
    clock.forward(1_000)
    (item,) = await hands.take_over()
    assert item.delivery.id == "late"


REPLACES = "k:r:wdba:0"


@pytest.mark.parametrize(("limit", "state", "outcome"), LIMITS)
async def test_a_first_limit_that_a_replacing_job_brings_counts_from_when_it_came(
    hands: Hands, shard: Shard, clock: Clock, limit: dict[str, Any], state: State, outcome: Any
) -> None:
    await hands.join()
    await hands.put(new_job("a", unique=REPLACES))
    clock.forward(100_000)
    await hands.put(new_job("b", unique=REPLACES, **limit))
    clock.forward(999)
    assert await shard.expire() == 0
    assert await hands.states("a") == [State.WAITING]
    (job,) = await shard.get(["a"])
    assert job is not None
    clock.forward(1)
    assert await shard.expire() == 1
    assert await hands.states("a") == [state]
    assert await looked_at(shard) == {}


async def test_a_delayed_job_that_gets_its_limits_from_another_has_them_from_its_new_time_on(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    await hands.put(new_job("a", unique=REPLACES, due="+50000", delay_ms=50_000, expires=IN_A_SECOND))
    clock.forward(30_000)
    await hands.put(new_job("b", unique=REPLACES, due="+50000", delay_ms=50_000, expires=IN_A_SECOND))
    clock.forward(50_999)
    await shard.expire()
    assert await hands.states("a") == [State.DELAYED]
    clock.forward(1)
    await shard.expire()
    assert await hands.states("a") == [State.CANCELLED]


async def test_the_delivery_of_a_replaced_job_knows_the_new_limits(hands: Hands, clock: Clock) -> None:
    await hands.join()
    await hands.put(new_job("a", unique=REPLACES, deadline=IN_A_SECOND))
    clock.forward(500)
    await hands.put(new_job("b", unique=REPLACES, deadline=IN_A_SECOND))
    clock.forward(700)
    (delivery,) = await hands.fetch()
    assert delivery.limits is not None
    assert delivery.limits.deadline_ms == clock.ms + 300
    assert delivery.limits.missed(delivery.started_ms) is None


async def test_who_is_removed_in_the_moment_of_its_end_keeps_no_unique_key(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    shard.retention = Retention(failed=0, least=0)
    key = "k:s:wdbaf:0"
    await hands.put(new_job("a", unique=key, deadline=IN_A_SECOND), new_job("b", unique="l:s:wdbax:0"))
    clock.forward(2_000)
    await shard.expire()
    await shard.cancel(["b"], {})
    assert await shard.link.command("HGETALL", shard.keys.fixed("uniques")) in ([], {})


# --- what is looked at, and is not to be ended -----------------------------------------------------------------------


async def test_what_was_removed_before_its_time_was_over_is_looked_at_no_more(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    await hands.put(new_job("a", expires=IN_A_SECOND), new_job("b", expires=IN_A_SECOND))
    await shard.delete(["a"], [State.WAITING])
    clock.forward(1_000)
    await shard.expire()
    assert await looked_at(shard) == {}
    assert await hands.states("a", "b") == [None, State.CANCELLED]


@pytest.mark.parametrize("end", [done, failed, cancelled])
async def test_what_has_ended_before_its_time_was_over_stays_as_it_is(
    hands: Hands, shard: Shard, clock: Clock, end: Callable[[Delivery], Settlement]
) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("a", deadline=IN_A_SECOND, queue_timeout_ms=1_000))
    await hands.settle(end(delivery))
    before = await hands.job("a")
    clock.forward(5_000)
    await shard.expire()
    assert await hands.job("a") == before
    assert await looked_at(shard) == {}


async def test_a_job_of_a_batch_ends_when_its_time_is_over_and_it_has_been_let_go(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    await shard.stage("batch", [new_job("a", expires=IN_A_SECOND)])
    clock.forward(1_000)
    await shard.expire()
    assert await hands.states("a") == [State.BLOCKED]
    await shard.commit("batch", 1)
    await shard.release("batch")
    clock.forward(60_000)
    await shard.expire()
    assert await hands.states("a") == [State.CANCELLED]
