"""What is kept of jobs that have ended."""

from __future__ import annotations

import pytest

from jobd.domain.keep import Keep
from jobd.domain.settle import Verdict
from jobd.domain.state import State
from jobd.domain.when import When
from jobd.store.shard import Retention, Shard
from tests.store.hands import (
    Clock,
    Hands,
    cancelled,
    done,
    ended,
    failed,
    new_job,
)


async def test_retention_by_count_removes_the_oldest_with_their_results(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    shard.retention = Retention(completed=2, failed=1, least=0)
    await hands.join()
    for name in "abc":
        clock.forward(1)
        (delivery,) = await hands.active(new_job(name))
        await shard.settle("w1", [done(delivery, b"7")])
    for name in "xyz":
        clock.forward(1)
        (delivery,) = await hands.active(new_job(name))
        await shard.settle("w1", [failed(delivery)])
    assert await hands.states(*"abcxyz") == [
        None,
        State.COMPLETED,
        State.COMPLETED,
        None,
        None,
        State.FAILED,
    ]
    assert await hands.counts() == {State.COMPLETED: 2, State.FAILED: 1}
    assert sorted(await shard.link.command("HKEYS", shard.keys.fixed("results"))) == [b"b", b"c"]
    for kind in ("jobs", "runs"):
        assert sorted(await shard.link.command("HKEYS", shard.keys.fixed(kind))) == [b"b", b"c", b"z"]


async def test_retention_of_none_removes_at_once_all_there_is_of_a_job(hands: Hands, shard: Shard) -> None:
    shard.retention = Retention(completed=0, failed=0, least=0)
    await hands.join()
    batch = await hands.active(*[new_job(name) for name in "abc"])
    for delivery in batch:
        await shard.say(delivery, "log", b'"level":"info","text":"x"')
        await shard.say(delivery, "progress", b'"done":1')
    assert await shard.settle("w1", [done(batch[0], b"7"), failed(batch[1]), cancelled(batch[2])]) == [1, 1, 1]
    assert await hands.counts() == {}
    left = set(await shard.link.command("KEYS", "*"))
    kept = {shard.keys.fixed("leases"), shard.keys.fixed("counts")}
    kept |= {shard.keys.member("w1").encode(), *(shard.keys.gone(number).encode() for number in range(3))}
    assert left - kept == set()


async def test_retention_keeps_each_queue_apart(hands: Hands, shard: Shard) -> None:
    shard.retention = Retention(completed=1, least=0)
    await hands.join()
    batch = await hands.active(new_job("a", queue="x"), new_job("b", queue="y"))
    await shard.settle("w1", [done(delivery) for delivery in batch])
    assert await hands.states("a", "b") == [State.COMPLETED, State.COMPLETED]


async def test_a_job_with_a_deadline_is_kept_as_long_as_it_says_itself(hands: Hands, shard: Shard) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job(keep_completed=Keep(count=1), deadline=When(after_ms=60_000)))
    await shard.settle("w1", [done(delivery)])
    shelf = shard.keys.shelf("default:c:noop/1/")
    assert await shard.link.command("ZRANGE", shelf, 0, -1) == [delivery.id.encode()]


async def test_a_lower_retention_takes_hold_step_by_step(hands: Hands, shard: Shard, clock: Clock) -> None:
    await hands.join()
    batch = await hands.active(*[new_job() for _ in range(450)])
    await shard.settle("w1", [done(delivery) for delivery in batch])
    shard.retention = Retention(completed=10, least=0)
    for left in (250, 50, 10):
        clock.forward(1)
        (delivery,) = await hands.active(new_job())
        await shard.settle("w1", [done(delivery)])
        assert await hands.counts() == {State.COMPLETED: left}


async def test_the_history_of_a_job_is_bounded_and_keeps_the_last(hands: Hands, shard: Shard) -> None:
    await hands.join()
    await hands.put(new_job("a"))
    for number in range(60):
        (delivery,) = await hands.fetch()
        error = {"type": "E", "message": str(number), "traceback": "t" * 100_000}
        await shard.settle("w1", [ended(delivery, Verdict(State.WAITING), error=error)])
    job = await hands.job("a")
    assert 3 < len(job.attempts) < 60
    assert job.attempts[-1].number == 60
    assert job.error is not None
    assert job.error["message"] == "59"
    assert await shard.link.command("HSTRLEN", shard.keys.fixed("runs"), "a") < 70_000


@pytest.mark.parametrize("by", ["its queue", "itself"])
async def test_more_jobs_are_kept_than_elsewhere_where_that_is_said(hands: Hands, shard: Shard, by: str) -> None:
    shard.retention = Retention(completed=1, least=0)
    if by == "its queue":
        await shard.set_rule("q/default", {"keep_completed": {"count": 3}})
    own = Keep(count=3) if by == "itself" else None
    await hands.join()
    for name in "abc":
        await hands.settle(done((await hands.active(new_job(name, keep_completed=own)))[0]))
    assert await hands.states(*"abc") == [State.COMPLETED] * 3
