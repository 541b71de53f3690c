"""What a change of a job that has not started takes along: fence, limits of time, turn, unique key, batch and lane."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobd.domain.state import State
from jobd.domain.when import When
from jobd.store.edits import Change
from jobd.store.shard import Shard
from tests.store import raw
from tests.store.hands import Clock, Hands, given_back, ids, new_job, retried
from tests.store.test_change import change
from tests.store.unique_jobs import KEEP_LAST, job

pytestmark = pytest.mark.usefixtures("watched_worker")

IN_A_SECOND = When(after_ms=1_000)


async def test_a_fence_rises_although_the_job_was_changed_and_the_clock_has_stepped_back(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    old = new_job("a")
    (before,) = await hands.active(old)
    await hands.settle(retried(before, 0))
    await shard.promote()
    assert await shard.change([change(old, new_job("a", payload=b"1"), "+10")]) == ["done"]
    assert await shard.change([Change("a", due="now")]) == ["done"]
    clock.forward(-5_000)
    (after,) = await hands.fetch()
    assert after.fence > before.fence


async def test_limits_that_stay_the_same_go_on_counting_from_when_the_job_came(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    old = new_job("a", expires=IN_A_SECOND)
    await hands.put(old)
    clock.forward(900)
    assert await shard.change([change(old, new_job("a", expires=IN_A_SECOND, payload=b"1"))]) == ["done"]
    clock.forward(100)
    await shard.expire()
    assert await hands.states("a") == [State.CANCELLED]


@pytest.mark.parametrize(
    ("before", "limits", "due"),
    [
        ({"expires": When(after_ms=5_000)}, {"expires": IN_A_SECOND}, ""),
        ({}, {"expires": IN_A_SECOND}, ""),
        ({"expires": IN_A_SECOND}, {"expires": IN_A_SECOND}, "+500"),
    ],
    ids=["sooner", "first", "with a time"],
)
async def test_limits_that_are_said_anew_count_from_now(
    hands: Hands, shard: Shard, clock: Clock, before: dict[str, Any], limits: dict[str, Any], due: str
) -> None:
    old = new_job("a", **before)
    await hands.put(old)
    clock.forward(900)
    assert await shard.change([change(old, new_job("a", **limits), due)]) == ["done"]
    clock.forward(999)
    await shard.expire()
    assert await hands.states("a") != [State.CANCELLED]
    clock.forward(1)
    await shard.expire()
    assert await hands.states("a") == [State.CANCELLED]


async def test_a_job_whose_limits_are_taken_back_waits_on(hands: Hands, shard: Shard, clock: Clock) -> None:
    old = new_job("a", expires=IN_A_SECOND)
    await hands.put(old, new_job("b", expires=IN_A_SECOND))
    assert await shard.change([change(old, new_job("a"))]) == ["done"]
    clock.forward(1_000)
    await shard.expire()
    assert await hands.states("a", "b") == [State.WAITING, State.CANCELLED]


async def test_a_job_that_runs_sooner_has_waited_too_long_sooner(hands: Hands, shard: Shard, clock: Clock) -> None:
    await hands.put(new_job("a", queue_timeout_ms=1_000))
    assert await shard.change([Change("a", due="+5000")]) == ["done"]
    clock.forward(1_000)
    await shard.expire()
    assert await hands.states("a") == [State.DELAYED]
    assert await shard.change([Change("a", due="now")]) == ["done"]
    clock.forward(1_000)
    assert await shard.expire() == 1
    assert await hands.states("a") == [State.FAILED]


async def test_who_promotes_what_waits_already_gives_it_no_more_time(hands: Hands, shard: Shard, clock: Clock) -> None:
    await hands.put(new_job("a", queue_timeout_ms=1_000))
    clock.forward(900)
    assert await shard.change([Change("a", due="now")]) == ["done"]
    clock.forward(100)
    await shard.expire()
    assert await hands.states("a") == [State.FAILED]


async def test_a_job_of_a_batch_that_is_given_a_time_waits_for_its_batch_and_then_for_that(
    hands: Hands, shard: Shard, clock: Clock, whole: Callable[[], raw.Raw]
) -> None:
    first, second = new_job("first"), new_job("second")
    await shard.stage("batch", [first, second])
    assert (
        await shard.change([Change("first", due="+500"), change(second, new_job("second", priority=1))]) == ["done"] * 2
    )
    assert whole().lane == {}
    assert await hands.states("first", "second") == [State.BLOCKED, State.BLOCKED]
    assert await shard.commit("batch", 2)
    await shard.release("batch")
    assert await hands.states("first", "second") == [State.DELAYED, State.WAITING]
    clock.forward(500)
    await shard.promote()
    assert ids(await hands.fetch()) == ["second", "first"]


async def test_a_retry_of_an_order_that_is_changed_keeps_its_turn(hands: Hands, shard: Shard, clock: Clock) -> None:
    first = new_job("first", lane_key="o=k")
    (running,) = await hands.active(first)
    await hands.put(new_job("second", lane_key="o=k"))
    await hands.settle(retried(running, 1_000))
    assert await shard.change([change(first, new_job("first", lane_key="o=k", payload=b"1"))]) == ["done"]
    assert await hands.fetch() == []
    clock.forward(1_000)
    await shard.promote()
    assert ids(await hands.fetch()) == ["first"]


async def test_a_job_stands_in_its_lane_once_however_often_it_is_changed_and_in_none_before_it_is_due(
    hands: Hands, shard: Shard, whole: Callable[[], raw.Raw]
) -> None:
    waits, later = new_job("waits"), new_job("later", due="+1000")
    await hands.put(waits, later)
    for payload in (b"1", b"2"):
        waits, before = new_job("waits", payload=payload), waits
        later, before_later = new_job("later", priority=4, payload=payload), later
        assert await shard.change([change(before, waits), change(before_later, later)]) == ["done"] * 2
    assert whole().lane == {"default:5:": ["waits"]}


async def test_a_job_that_is_promoted_by_hand_comes_behind_those_that_wait(hands: Hands, shard: Shard) -> None:
    await hands.put(new_job("later", due="+1000"), new_job("waits"))
    await shard.change([Change("later", due="now")])
    assert ids(await hands.fetch()) == ["waits", "later"]


async def test_a_key_of_delayed_jobs_is_free_when_its_owner_is_promoted_by_hand(
    hands: Hands, shard: Shard, whole: Callable[[], raw.Raw]
) -> None:
    await hands.put(job("a", "key:s:d:0", due="+1000"))
    await shard.change([Change("a", due="now")])
    assert whole().uniques == {}
    assert await hands.put(job("b", "key:s:d:0", due="+1000")) == [True]


@pytest.mark.parametrize(("due", "state"), [("", State.WAITING), ("+5000", State.DELAYED)])
async def test_a_follower_goes_on_when_the_owner_is_delayed_by_hand_and_its_key_is_none_of_delayed_jobs(
    hands: Hands, shard: Shard, whole: Callable[[], raw.Raw], due: str, state: State
) -> None:
    (running,) = await hands.active(job("a", "key:k:wa:0"))
    assert await hands.put(job("b", KEEP_LAST, due=due)) == [True]
    await hands.settle(given_back(running))
    assert await shard.change([Change("a", due="+60000")]) == ["done"]
    whole()
    assert await hands.states("a", "b") == [State.DELAYED, state]
    assert (await shard.promote())[1] == (60_000 if state is State.WAITING else 5_000)
    assert ids(await hands.fetch()) == (["b"] if state is State.WAITING else [])
