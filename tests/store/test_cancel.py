"""Jobs are cancelled: at once unless they run; then their worker is asked."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jobd.domain.delivery import Delivery
from jobd.domain.state import State
from jobd.store.shard import Retention, Settlement, Shard
from tests.store.hands import Clock, Hands, LossyLink, cancelled, done, failed, ids, new_job


async def test_a_waiting_job_is_cancelled_at_once_and_not_delivered(hands: Hands, shard: Shard) -> None:
    await hands.join()
    await hands.put(new_job("a"), new_job("b"))
    assert await shard.cancel(["a"], {"reason": "changed my mind", "by": "me"}) == ["cancelled"]
    job = await hands.job("a")
    assert (job.status, job.reason, job.attempts) == (State.CANCELLED, "changed my mind", ())
    assert job.finished_at is not None
    assert ids(await hands.fetch()) == ["b"]
    assert await hands.counts() == {State.CANCELLED: 1, State.ACTIVE: 1}


async def test_a_delayed_job_is_cancelled_at_once_and_not_promoted(hands: Hands, shard: Shard, clock: Clock) -> None:
    await hands.put(new_job("a", due="+10"))
    assert await shard.cancel(["a"], {}) == ["cancelled"]
    clock.forward(10)
    assert await shard.promote() == (0, None)
    assert await hands.counts() == {State.CANCELLED: 1}


async def test_a_blocked_job_is_cancelled_at_once_and_not_released(hands: Hands, shard: Shard) -> None:
    await shard.stage("batch", [new_job("a"), new_job("b")])
    assert await shard.cancel(["a"], {}) == ["cancelled"]
    assert await shard.commit("batch", 2)
    assert await shard.release("batch") == 0
    assert await hands.states("a", "b") == [State.CANCELLED, State.WAITING]
    assert await hands.counts() == {State.CANCELLED: 1, State.WAITING: 1}


async def test_the_worker_of_a_running_job_is_asked(hands: Hands, shard: Shard) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("a"))
    assert await shard.cancel(["a"], {"reason": "stop"}) == ["asked"]
    assert await hands.words("w1") == [f"cancel a {delivery.fence}"]
    job = await hands.job("a")
    assert (job.status, job.cancel_requested, job.reason) == (State.ACTIVE, True, "stop")
    await shard.settle("w1", [cancelled(delivery)])
    job = await hands.job("a")
    assert (job.status, job.cancel_requested, job.reason) == (State.CANCELLED, False, "stop")
    assert [attempt.outcome for attempt in job.attempts] == ["cancelled"]


@pytest.mark.parametrize("end", [done, failed])
async def test_a_job_that_comes_to_another_end_still_shows_that_it_was_to_be_cancelled(
    hands: Hands, shard: Shard, end: Callable[[Delivery], Settlement]
) -> None:
    """A thread cannot be stopped: it may well complete."""
    await hands.join()
    (delivery,) = await hands.active(new_job("a"))
    await shard.cancel(["a"], {"reason": "stop"})
    await shard.settle("w1", [end(delivery)])
    job = await hands.job("a")
    assert job.status is end(delivery).verdict.state
    assert (job.cancel_requested, job.reason) == (True, "stop")
    await shard.retry(["a"])
    assert not (await hands.job("a")).cancel_requested


async def test_who_asks_again_is_heard_again_but_the_history_grows_once(hands: Hands, shard: Shard) -> None:
    """The word may have been lost on its way to the worker."""
    await hands.join()
    await hands.active(new_job("a"))
    for _ in range(3):
        assert await shard.cancel(["a"], {}) == ["asked"]
    assert len(await hands.words("w1")) == 3
    size = await shard.link.command("HSTRLEN", shard.keys.fixed("runs"), "a")
    await shard.cancel(["a"], {})
    assert await shard.link.command("HSTRLEN", shard.keys.fixed("runs"), "a") == size


async def test_the_inbox_of_a_worker_that_does_not_listen_is_bounded(hands: Hands, shard: Shard) -> None:
    await hands.join()
    batch = await hands.active(*[new_job() for _ in range(400)])
    for _ in range(4):
        await shard.cancel(ids(batch), {})
    words = await hands.words("w1")
    assert len(words) == 1_000
    assert words[-2].startswith("cancel ")
    assert words[-1] == "look"  # so that it looks at the records of what it runs


async def test_ended_jobs_stay_as_they_are(hands: Hands, shard: Shard) -> None:
    await hands.join()
    one, two = await hands.active(new_job("one"), new_job("two"))
    await shard.settle("w1", [done(one), failed(two)])
    assert await shard.cancel(["one", "two", "three"], {}) == ["completed", "failed", "missing"]
    assert await hands.counts() == {State.COMPLETED: 1, State.FAILED: 1}


async def test_a_repeat_says_the_same_and_changes_nothing(hands: Hands, shard: Shard) -> None:
    await hands.put(new_job("a"))
    shard.link = link = LossyLink(shard.link)
    link.losing = 1
    assert await shard.cancel(["a"], {"reason": "once"}) == ["cancelled"]
    assert await hands.counts() == {State.CANCELLED: 1}


async def test_an_id_that_is_twice_in_one_call_is_cancelled_once(hands: Hands, shard: Shard) -> None:
    await hands.put(new_job("a"), new_job("b", due="+5"))
    assert await shard.cancel(["a", "b", "a", "b"], {}) == ["cancelled"] * 4
    assert await hands.counts() == {State.CANCELLED: 2}


async def test_cancelled_jobs_are_kept_by_count(hands: Hands, shard: Shard, clock: Clock) -> None:
    shard.retention = Retention(failed=1, least=0)
    for name in "abc":
        clock.forward(1)
        await hands.put(new_job(name))
        await shard.cancel([name], {})
    assert await hands.states(*"abc") == [None, None, State.CANCELLED]
    assert await hands.counts() == {State.CANCELLED: 1}


async def test_the_records_tell_which_deliveries_are_to_be_cancelled(hands: Hands, shard: Shard) -> None:
    await hands.join()
    asked, other, over = await hands.active(new_job("asked"), new_job("other"), new_job("over"))
    await shard.cancel(["asked", "over"], {})
    await shard.settle("w1", [done(over)])
    mine = [(item.id, item.fence) for item in (asked, other, over)]
    assert await shard.asked_to_end([*mine, ("unknown", 1)]) == [("asked", asked.fence)]
    assert await shard.asked_to_end([("asked", asked.fence - 1)]) == []
    assert await shard.asked_to_end([]) == []
