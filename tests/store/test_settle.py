"""Verdicts come back: applied once, to the delivery they are about, in one move with what the handler enqueued."""

from __future__ import annotations

import pytest

from jobd.domain.job import moment
from jobd.domain.outcome import Ending
from jobd.domain.settle import CANCELLED, COMPLETED, FAILED, GIVEN_BACK, NEVER_BEGUN, Verdict
from jobd.domain.state import State
from jobd.store.shard import Retention, Settlement, Shard
from tests.store.hands import (
    CRASHED_ALONE,
    LOST,
    Clock,
    Hands,
    LossyLink,
    done,
    ended,
    failed,
    given_back,
    ids,
    new_job,
    retried,
)

VERDICTS = {
    "completed": COMPLETED,
    "failed": FAILED,
    "cancelled": CANCELLED,
    "delayed": Verdict(State.DELAYED, delay_ms=10),
    "given back": GIVEN_BACK,
}


async def test_a_completed_job_keeps_its_result_and_its_attempt(hands: Hands, shard: Shard, clock: Clock) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("a"))
    clock.forward(250)
    assert await shard.settle("w1", [done(delivery, b'{"n":1}')]) == [1]
    job = await hands.job("a")
    assert (job.status, job.result, job.attempt, job.error, job.worker) == (State.COMPLETED, {"n": 1}, 1, None, None)
    (attempt,) = job.attempts
    assert (attempt.number, attempt.worker, attempt.outcome, attempt.duration_ms) == (1, "w1", Ending.RETURNED, 250)
    assert await hands.counts() == {State.COMPLETED: 1}
    assert await shard.link.command("ZCARD", shard.keys.held("w1")) == 0


async def test_a_failed_job_says_why(hands: Hands, shard: Shard) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("a"))
    assert await shard.settle("w1", [failed(delivery)]) == [1]
    job = await hands.job("a")
    assert (job.status, job.error) == (State.FAILED, {"type": "ValueError", "message": "no"})
    assert job.finished_at is not None
    assert job.attempts[0].outcome is Ending.RAISED
    assert await hands.counts() == {State.FAILED: 1}


async def test_a_job_that_is_delayed_for_its_next_attempt_is_one_of_its_group_that_has_not_started(
    hands: Hands, shard: Shard
) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("a", lane_key="g=x"))
    assert await shard.link.command("HGET", shard.keys.fixed("grouped"), "g/default/x") is None
    await hands.settle(retried(delivery))
    assert await shard.link.command("HGET", shard.keys.fixed("grouped"), "g/default/x") == b"1"


async def test_a_retry_is_delayed_and_its_attempt_is_spent(hands: Hands, shard: Shard, clock: Clock) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("a"))
    await shard.settle("w1", [retried(delivery, 1_000)])
    job = await hands.job("a")
    assert (job.status, job.attempt) == (State.DELAYED, 1)
    assert job.run_at.timestamp() * 1_000 == clock.ms + 1_000
    clock.forward(1_000)
    assert await shard.promote() == (1, None)
    (delivery,) = await hands.fetch()
    assert (delivery.attempt, delivery.deliveries) == (2, 2)


async def test_a_snooze_until_a_moment_spends_no_attempt(hands: Hands, shard: Shard, clock: Clock) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("a"))
    until = Verdict(State.DELAYED, until_ms=clock.ms + 77_000, spent=False)
    await shard.settle("w1", [ended(delivery, until, "snoozed", reason="later")])
    job = await hands.job("a")
    assert (job.status, job.attempt, job.reason) == (State.DELAYED, 0, "later")
    assert job.run_at.timestamp() * 1_000 == clock.ms + 77_000


async def test_a_job_given_back_waits_with_its_attempt_not_spent(hands: Hands, shard: Shard) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("a", priority=3))
    await shard.settle("w1", [given_back(delivery)])
    job = await hands.job("a")
    assert (job.status, job.attempt, job.deliveries) == (State.WAITING, 0, 1)
    assert [attempt.outcome for attempt in job.attempts] == [Ending.INTERRUPTED]
    (delivery,) = await hands.fetch()
    assert (delivery.attempt, delivery.deliveries) == (1, 2)


async def test_many_jobs_given_back_keep_their_order_before_those_that_came_later(hands: Hands, shard: Shard) -> None:
    await hands.join()
    names = [f"j{number:03}" for number in range(100)]
    batch = await hands.active(*[new_job(name) for name in names])
    await hands.put(new_job("later"))
    await shard.settle("w1", [given_back(delivery) for delivery in batch])
    assert ids(await hands.fetch(want=200)) == [*names, "later"]


async def test_answers_stand_where_their_settlements_stood(hands: Hands, shard: Shard) -> None:
    await hands.join()
    batch = await hands.active(*[new_job(name) for name in "abcd"])
    stale = Settlement("c", batch[2].fence - 1, COMPLETED)
    mixed = [failed(batch[0]), done(batch[1]), stale, retried(batch[3]), done(batch[2])]
    assert await shard.settle("w1", mixed) == [1, 1, 0, 1, 1]
    mixed = [failed(batch[0]), stale, done(batch[1])]
    assert (await hands.turn("w1", mixed))[0] == [2, 0, 2]


@pytest.mark.parametrize("verdict", VERDICTS.values(), ids=VERDICTS)
async def test_a_repeat_is_answered_as_such_and_changes_nothing(hands: Hands, shard: Shard, verdict: Verdict) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("a"))
    settlement = ended(delivery, verdict)
    assert await shard.settle("w1", [settlement]) == [1]
    before = (await hands.job("a"), await hands.counts())
    assert await shard.settle("w1", [settlement]) == [2]
    assert (await hands.job("a"), await hands.counts()) == before


@pytest.mark.parametrize("verdict", VERDICTS.values(), ids=VERDICTS)
async def test_a_job_that_is_twice_in_one_call_is_settled_once(hands: Hands, shard: Shard, verdict: Verdict) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("a"))
    assert await shard.settle("w1", [ended(delivery, verdict), failed(delivery)]) == [1, 2]
    assert await hands.counts() == {verdict.state: 1}


async def test_a_repeat_after_the_job_was_removed_is_told_that_it_is_over(hands: Hands, shard: Shard) -> None:
    shard.retention = Retention(completed=0, least=0)
    await hands.join()
    (delivery,) = await hands.active(new_job("a"))
    assert await shard.settle("w1", [done(delivery)]) == [1]
    assert await shard.settle("w1", [done(delivery)]) == [2]
    assert await hands.counts() == {}


@pytest.mark.parametrize("verdict", VERDICTS.values(), ids=VERDICTS)
async def test_a_fence_of_an_earlier_delivery_is_refused(hands: Hands, shard: Shard, verdict: Verdict) -> None:
    await hands.join()
    (old,) = await hands.active(new_job("a"))
    await shard.settle("w1", [given_back(old)])
    (new,) = await hands.fetch()
    assert new.fence > old.fence
    assert await shard.settle("w1", [ended(old, verdict)]) == [0]
    assert await hands.states("a") == [State.ACTIVE]
    assert await shard.settle("w1", [done(new)]) == [1]


@pytest.mark.parametrize("verdict", VERDICTS.values(), ids=VERDICTS)
async def test_a_holder_that_is_another_is_refused(hands: Hands, shard: Shard, verdict: Verdict) -> None:
    await hands.join()
    await hands.join("w2")
    (delivery,) = await hands.active(new_job("a"))
    assert await shard.settle("w2", [ended(delivery, verdict)]) == [0]
    assert await hands.states("a") == [State.ACTIVE]


async def test_a_job_that_never_was_is_refused(shard: Shard) -> None:
    assert await shard.settle("w1", [Settlement("a", 1, COMPLETED), Settlement("b", 1, FAILED)]) == [0, 0]


async def test_a_worker_settles_and_fetches_in_one_trip_and_may_repeat_it(hands: Hands, shard: Shard) -> None:
    await hands.join()
    (first,) = await hands.active(new_job("a"))
    await hands.put(new_job("b"))
    shard.link = link = LossyLink(shard.link)
    link.losing = 1
    answers, batch = await hands.turn("w1", [done(first)])
    assert answers == [2]
    assert ids(batch) == ["b"]
    assert await hands.counts() == {State.COMPLETED: 1, State.ACTIVE: 1}


async def test_an_error_that_is_no_text_does_not_keep_a_job_from_being_settled(hands: Hands, shard: Shard) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("a"))
    error = {"type": "E", "message": "lone \ud800 half", "more": object(), "list": [1, "\ud800"]}
    assert await shard.settle("w1", [ended(delivery, FAILED, error=error)]) == [1]
    assert "lone" in str((await hands.job("a")).error)


async def test_a_settlement_without_facts_leaves_a_job_that_can_be_read(hands: Hands, shard: Shard) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("a"))
    assert await shard.settle("w1", [Settlement("a", delivery.fence, FAILED)]) == [1]
    assert [(attempt.number, attempt.outcome) for attempt in (await hands.job("a")).attempts] == [(1, None)]


@pytest.mark.parametrize("verdict", [GIVEN_BACK, LOST, Verdict(State.DELAYED, delay_ms=5)])
async def test_a_job_that_is_to_be_cancelled_is_not_run_again(hands: Hands, shard: Shard, verdict: Verdict) -> None:
    """Its attempt was broken off or failed before its worker heard of the cancellation."""
    await hands.join()
    (delivery,) = await hands.active(new_job("a"))
    assert await shard.cancel(["a"], {"reason": "not needed"}) == ["asked"]
    assert await shard.settle("w1", [ended(delivery, verdict, "interrupted", reason="shutdown")]) == [1]
    job = await hands.job("a")
    assert (job.status, job.reason) == (State.CANCELLED, "not needed")
    assert await hands.counts() == {State.CANCELLED: 1}
    assert await hands.fetch() == []


async def test_a_job_that_returned_in_spite_of_being_cancelled_has_completed(hands: Hands, shard: Shard) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("a"))
    await shard.cancel(["a"], {})
    assert await shard.settle("w1", [done(delivery)]) == [1]
    assert await hands.states("a") == [State.COMPLETED]


async def test_a_suspect_that_ends_its_attempt_in_order_is_none_any_more(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    await hands.join()
    await hands.join("solo", "!*")
    (delivery,) = await hands.active(new_job("a"))
    await shard.settle("w1", [ended(delivery, LOST, "lost")])
    (delivery,) = await hands.fetch("solo")
    await shard.settle("solo", [retried(delivery, 10)])
    clock.forward(10)
    await shard.promote()
    (delivery,) = await hands.fetch("w1")
    assert (delivery.suspect, delivery.attempt) == (False, 2)


async def test_a_suspect_that_is_interrupted_stays_one_and_crashes_alone_are_counted(
    hands: Hands, shard: Shard
) -> None:
    await hands.join()
    await hands.join("solo", "!*")
    (delivery,) = await hands.active(new_job("a"))
    await shard.settle("w1", [ended(delivery, LOST, "lost")])
    for verdict, crashes in ((GIVEN_BACK, 0), (CRASHED_ALONE, 1), (GIVEN_BACK, 1), (CRASHED_ALONE, 2)):
        assert await hands.fetch("w1") == []
        (delivery,) = await hands.fetch("solo")
        await shard.settle("solo", [ended(delivery, verdict, "lost")])
        await hands.fetch("solo", want=0)
        (delivery,) = await hands.fetch("solo")
        assert (delivery.crashes, delivery.suspect, delivery.attempt) == (crashes, True, 1)
        await shard.settle("solo", [given_back(delivery)])


async def test_results_of_a_job_that_did_not_return_are_not_kept(hands: Hands, shard: Shard) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("a"))
    await shard.settle("w1", [Settlement("a", delivery.fence, FAILED, result=b"1")])
    assert await shard.link.command("HLEN", shard.keys.fixed("results")) == 0


async def test_a_lease_that_has_run_out_does_not_lose_what_was_done(hands: Hands, shard: Shard, clock: Clock) -> None:
    """Nobody has taken the job over yet, so its holder still has it."""
    await hands.join()
    (delivery,) = await hands.active(new_job("a"))
    clock.forward(60_000)
    assert await shard.settle("w1", [done(delivery)]) == [1]
    assert await hands.states("a") == [State.COMPLETED]


@pytest.mark.parametrize("verdict", [FAILED, CANCELLED, GIVEN_BACK, NEVER_BEGUN])
async def test_a_job_ended_when_it_was_settled(hands: Hands, shard: Shard, clock: Clock, verdict: Verdict) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("a"))
    clock.forward(250)
    if verdict.state is State.WAITING:
        await shard.cancel(["a"], {"reason": "no more"})
    await hands.settle(Settlement("a", delivery.fence, verdict))
    job = await hands.job("a")
    assert job.status in (State.FAILED, State.CANCELLED)
    assert job.finished_at == moment(clock.ms)


async def test_a_job_given_back_waits_anew_for_as_long_as_it_may(hands: Hands, clock: Clock) -> None:
    await hands.join()
    await hands.put(new_job("a", queue_timeout_ms=1_000))
    for _ in range(3):
        clock.forward(600)
        (delivery,) = await hands.fetch()
        assert delivery.missed is None
        await hands.settle(given_back(delivery))


async def test_what_is_never_begun_the_second_time_keeps_what_is_known_of_the_first(hands: Hands, clock: Clock) -> None:
    await hands.join()
    (first,) = await hands.active(new_job("a"))
    await hands.settle(given_back(first))
    clock.forward(250)
    (second,) = await hands.fetch()
    await hands.settle(Settlement("a", second.fence, NEVER_BEGUN))
    job = await hands.job("a")
    assert (job.status, job.deliveries, job.attempt) == (State.WAITING, 1, 0)
    assert job.started_at is not None
    (third,) = await hands.fetch()
    assert (third.deliveries, third.attempt) == (2, 1)
