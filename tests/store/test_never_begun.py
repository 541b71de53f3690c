"""A worker gives back what it took ahead and never began: that is as if it had never had it."""

from __future__ import annotations

import pytest

from jobd.domain.delivery import Delivery, Met
from jobd.domain.settle import NEVER_BEGUN, Verdict
from jobd.domain.state import State
from jobd.domain.when import When
from jobd.store.edits import Change
from jobd.store.shard import Settlement, Shard
from tests.store.hands import Clock, Hands, done, ended, ids, new_job
from tests.store.unique_jobs import DEBOUNCE, REPLACE, owner

HOUR_MS = 3_600_000


pytestmark = pytest.mark.usefixtures("watched_worker")


def unbegun(delivery: Delivery) -> Settlement:
    return Settlement(delivery.id, delivery.fence, NEVER_BEGUN)


@pytest.mark.requirement("2.11")
@pytest.mark.parametrize("weight", [None, 2])
@pytest.mark.parametrize("limited", ["key", "bucket", "type", "queue", "queue with a bucket"])
async def test_what_never_began_counts_for_no_rate(hands: Hands, limited: str, weight: int | None) -> None:
    key = {"key": f"r=acct:6/{HOUR_MS}", "bucket": f"g=x;r=acct:6/{HOUR_MS}/6"}.get(limited, "")
    rate = {"n": 6, "ms": HOUR_MS}
    if limited == "type":
        await hands.shard.set_rule("t/noop", {"rate": rate})
    elif not key:
        await hands.shard.set_rule("q/default", {"rate": rate | ({"burst": 6} if "bucket" in limited else {})})
    names = [f"j{number}" for number in range(8)]
    await hands.put(*[new_job(name, lane_key=key, weight=weight) for name in names])
    most = 6 // (weight or 1)
    first, *behind = [job for _ in range(3) for job in await hands.fetch()]
    assert ids([first, *behind]) == names[:most]
    await hands.settle(*[unbegun(job) for job in behind])
    await hands.shard.promote()
    again = [job for _ in range(3) for job in await hands.fetch()]
    assert len(again) == most - 1, "their starts are there again, and no more than these"
    # what a rule of its type had sent aside, because it did not pass, is looked at first
    assert ids(again) == names[1:most] or limited == "type"
    await hands.settle(*[done(job) for job in again])
    await hands.shard.promote()
    assert [job for _ in range(3) for job in await hands.fetch()] == []


async def test_what_never_began_and_was_delayed_comes_back_under_a_higher_fence_although_the_clock_was_set_back(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    (job,) = await hands.active(new_job("a"))
    await hands.settle(unbegun(job))
    await shard.change([Change("a", due="+1")])
    clock.forward(1)
    assert await shard.promote() == (1, None)
    clock.forward(-1_000)
    (again,) = await hands.fetch()
    assert (again.fence, again.attempt) == (job.fence + 1, 1)


async def test_what_never_began_expires(hands: Hands, shard: Shard, clock: Clock) -> None:
    (job,) = await hands.active(new_job("a", expires=When(after_ms=1_000)))
    await hands.settle(unbegun(job))
    clock.forward(1_000)
    (late,) = await hands.fetch()
    assert late.missed is not None, "it may begin no more"
    await hands.settle(unbegun(late))
    clock.forward(61_000)
    await shard.expire()
    assert await hands.states("a") == [State.CANCELLED]


async def test_what_never_began_has_waited_all_the_time(hands: Hands, clock: Clock) -> None:
    await hands.put(new_job("a", queue_timeout_ms=1_000))
    clock.forward(600)
    (job,) = await hands.fetch()
    await hands.settle(unbegun(job))
    clock.forward(600)
    (late,) = await hands.fetch()
    assert late.missed is not None


@pytest.mark.parametrize("tried", [False, True])
async def test_what_never_began_is_told_of_as_if_nobody_had_had_it(hands: Hands, clock: Clock, tried: bool) -> None:
    if tried:
        (job,) = await hands.active(new_job("a"))
        await hands.settle(ended(job, Verdict(State.WAITING)))
    else:
        await hands.put(new_job("a"))
    before = await hands.job("a")
    clock.forward(1_000)
    (job,) = await hands.fetch()
    await hands.settle(unbegun(job))
    after = await hands.job("a")
    assert (after.attempt, after.deliveries, after.attempts) == (before.attempt, before.deliveries, before.attempts)
    assert (after.status, after.started_at if not tried else None) == (State.WAITING, None)


async def test_what_never_began_can_be_replaced(hands: Hands) -> None:
    (job,) = await hands.active(new_job("a", unique=REPLACE))
    await hands.settle(unbegun(job))
    assert await hands.put(new_job("b", unique=REPLACE, payload=b'{"n":2}')) == [Met("a", True)]
    (again,) = await hands.fetch()
    assert (again.id, again.data) == ("a", {"n": 2})


async def test_what_never_began_and_was_replaced_comes_back_under_a_higher_fence_although_the_clock_was_set_back(
    hands: Hands, clock: Clock
) -> None:
    (job,) = await hands.active(new_job("a", unique=REPLACE))
    await hands.settle(unbegun(job))
    clock.forward(-1_000)
    await hands.put(new_job("b", unique=REPLACE))
    (again,) = await hands.fetch()
    assert (again.id, again.fence, again.attempt) == ("a", job.fence + 1, 1)


async def test_what_never_began_has_its_key_again_if_nobody_has_taken_it(hands: Hands, shard: Shard) -> None:
    (job,) = await hands.active(new_job("a", unique=DEBOUNCE))
    await hands.settle(unbegun(job))
    assert await hands.put(new_job("b", unique=DEBOUNCE)) == [Met("a", True)]
    (job,) = await hands.fetch()
    assert await hands.put(new_job("c", unique=DEBOUNCE)) == [True]
    await hands.settle(unbegun(job))
    assert await owner(shard) == "c"
    assert sorted(ids(await hands.fetch())) == ["a", "c"]
    assert await owner(shard) is None


async def test_what_never_began_keeps_its_turn(hands: Hands) -> None:
    await hands.put(*[new_job(name, lane_key="o=x") for name in "abc"])
    (job,) = await hands.fetch()
    await hands.settle(unbegun(job))
    for name in "abc":
        (job,) = await hands.fetch()
        assert job.id == name
        await hands.settle(done(job))


async def test_what_never_began_and_was_cancelled_meanwhile_is_cancelled(hands: Hands, shard: Shard) -> None:
    (job,) = await hands.active(new_job("a", unique=REPLACE))
    await shard.cancel(["a"], {})
    await hands.settle(unbegun(job))
    assert (await hands.job("a")).finished_at is not None
    assert await hands.states("a") == [State.CANCELLED]
    assert await owner(shard) is None
