"""What is due moves from delayed to waiting, in the order of its time."""

from __future__ import annotations

import pytest

from jobd.domain.settle import Verdict
from jobd.domain.state import State
from jobd.store.edits import Change
from jobd.store.shard import Shard
from tests.store.hands import LEASE_MS, Clock, Hands, LossyLink, ended, ids, new_job, retried


async def test_what_is_due_waits_and_what_is_not_stays(hands: Hands, shard: Shard, clock: Clock) -> None:
    await hands.put(new_job("a", due="+1000"), new_job("b", due="+2000"))
    assert await shard.promote() == (0, 1_000)
    clock.forward(999)
    assert await shard.promote() == (0, 1)
    clock.forward(1)
    assert await shard.promote() == (1, 1_000)
    assert await hands.states("a", "b") == [State.WAITING, State.DELAYED]
    assert await hands.counts() == {State.WAITING: 1, State.DELAYED: 1}
    clock.forward(1_000)
    assert await shard.promote() == (1, None)
    assert await hands.counts() == {State.WAITING: 2}


async def test_promoted_jobs_stand_behind_those_already_waiting_in_the_order_of_their_times(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    await hands.join()
    await hands.put(new_job("c", due="+30"), new_job("a", due="+10"), new_job("b", due="+20"), new_job("first"))
    clock.forward(30)
    assert await shard.promote() == (3, None)
    assert ids(await hands.fetch()) == ["first", "a", "b", "c"]


async def test_a_delayed_job_keeps_its_priority_and_queue(hands: Hands, shard: Shard, clock: Clock) -> None:
    await hands.join("w1", "other")
    await hands.put(new_job("low", queue="other", priority=10, due="+1"), new_job("b", due="+1"))
    await hands.put(new_job("high", queue="other", priority=1, due="+1"))
    clock.forward(1)
    await shard.promote()
    assert ids(await hands.fetch()) == ["high", "low"]


async def test_a_call_moves_a_bounded_number_and_says_that_more_is_due(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    await hands.put(*[new_job(due="+10") for _ in range(250 + 3)])
    clock.forward(20)
    assert await shard.promote() == (250, 0)
    assert await shard.promote() == (3, None)


async def test_a_retry_is_promoted_with_its_attempts_known(hands: Hands, shard: Shard, clock: Clock) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("a"))
    await shard.settle("w1", [retried(delivery, 0)])
    assert await hands.states("a") == [State.DELAYED]
    assert await shard.promote() == (1, None)
    job = await hands.job("a")
    assert (job.status, job.attempt, len(job.attempts)) == (State.WAITING, 1, 1)


async def test_a_job_that_was_delayed_before_its_first_run_is_as_if_it_never_had_been(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    await hands.put(new_job("a", due="+1"))
    clock.forward(1)
    await shard.promote()
    assert await shard.link.command("HLEN", shard.keys.fixed("runs")) == 0


async def test_a_job_that_was_run_again_and_delayed_before_its_first_run_remembers_it(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    await hands.put(new_job("a"))
    await shard.cancel(["a"], {"by": "ann"})
    await shard.retry(["a"])
    await shard.change([Change("a", due="+1")])
    clock.forward(1)
    await shard.promote()
    record = await shard.link.command("HGET", shard.keys.fixed("runs"), "a")
    assert [word in record for word in (b"cancelled_at", b'"by":"ann"', b"retried_at")] == [True, True, True]


@pytest.mark.damages
@pytest.mark.parametrize("lost", ["jobs", "runs", "its state"])
async def test_a_delayed_job_that_is_damaged_keeps_no_other_from_its_time(
    hands: Hands, shard: Shard, clock: Clock, lost: str
) -> None:
    await hands.join()
    await hands.put(new_job("bad", due="+1"), new_job("sound", due="+1"))
    command, runs = shard.link.command, shard.keys.fixed("runs")
    if lost == "its state":
        record = await command("HGET", runs, "bad")
        await command("HSET", runs, "bad", record[:1] + b"?" + record[2:])
    else:
        await command("HDEL", shard.keys.fixed(lost), "bad")
    clock.forward(1)
    assert await shard.promote() == (2, None)
    assert await hands.counts() == {State.WAITING: 1, State.DELAYED: 1}, "of the other nothing is known"
    assert ids(await hands.fetch()) == ["sound"]


async def test_a_delayed_suspect_is_promoted_into_the_line_of_suspects(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    await hands.join()
    await hands.join("solo", "!*")
    (delivery,) = await hands.active(new_job("a"))
    await shard.settle("w1", [ended(delivery, Verdict(State.DELAYED, delay_ms=1, suspect=True), "lost")])
    clock.forward(1)
    assert await shard.promote() == (1, None)
    assert await hands.fetch("w1") == []
    assert ids(await hands.fetch("solo")) == ["a"]


async def test_a_repeat_after_a_lost_reply_promotes_nothing_twice(hands: Hands, shard: Shard, clock: Clock) -> None:
    await hands.join()
    await hands.put(new_job("a", due="+1"))
    clock.forward(1)
    shard.link = link = LossyLink(shard.link)
    link.losing = 1
    assert await shard.promote() == (0, None)
    assert await hands.counts() == {State.WAITING: 1}
    assert ids(await hands.fetch()) == ["a"]


async def test_a_scheduler_that_has_promoted_as_many_as_there_can_be_at_once_is_woken_too(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    await shard.join("s1", lease_ms=LEASE_MS, lines=["@scheduler"], about=b"{}")
    await hands.put(*[new_job(due="+10") for _ in range(250)], new_job(due="+5000"))
    clock.forward(10)
    assert await shard.promote("s1") == (250, 4_990), "it sleeps now"
    await hands.put(new_job(due="+20"))
    assert await hands.words("s1") == ["wake"]


async def test_a_scheduler_for_which_more_is_due_is_not_woken_for_what_comes(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    await shard.join("s1", lease_ms=LEASE_MS, lines=["@scheduler"], about=b"{}")
    await hands.put(*[new_job(due="+10") for _ in range(251)])
    clock.forward(10)
    assert await shard.promote("s1") == (250, 0)
    await hands.put(new_job(due=str(clock.ms - 5)), new_job(due="+1"))
    assert await hands.words("s1") == []
