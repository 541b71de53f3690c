"""Batches of more jobs than one script takes: all of them run, or none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from jobd.domain.delivery import Met, NewJob
from jobd.domain.state import State
from jobd.errors import EnqueueExpired, StoreUnavailable
from jobd.store.shard import BATCH_BYTES, Retention, Shard
from jobd.store.store import Store
from tests.store.hands import Clock, Hands, LossyLink, done, new_job
from tests.store.unique_jobs import job


class Dies(Exception):
    """The producer is gone."""


def dying_after(shard: Shard, portions: int) -> None:
    """Makes the producer die when it has staged so many portions."""
    stage, left = shard.stage, iter(range(portions))

    async def mortal(batch: str, jobs: Sequence[NewJob], **more: Any) -> list[bool | Met]:
        if next(left, None) is None:
            raise Dies
        return await stage(batch, jobs, **more)

    shard.stage = mortal  # type: ignore[method-assign]  # what comes after it is what the test is about


async def sweep(shard: Shard) -> None:
    """What a monitor does with batches whose producer may be gone."""
    for batch in await shard.staged():
        while await shard.release(batch) > 0:
            pass


async def test_three_thousand_jobs_are_taken_in_whole(store: Store, hands: Hands, shard: Shard) -> None:
    jobs = [new_job(due="+500" if at % 3 == 0 else "") for at in range(3_000)]
    assert await store.enqueue(jobs) == [True] * 3_000
    assert await hands.counts() == {State.WAITING: 2_000, State.DELAYED: 1_000}
    assert await shard.link.command("KEYS", "*stage:*") == []


async def test_nobody_sees_a_part_of_a_batch(store: Store, hands: Hands, shard: Shard) -> None:
    await hands.join()
    dying_after(shard, 3)
    with pytest.raises(Dies):
        await store.enqueue([new_job() for _ in range(3_000)])
    assert await hands.counts() == {State.BLOCKED: 1_500}
    assert await hands.fetch() == []
    await sweep(shard)
    assert await hands.counts() == {State.BLOCKED: 1_500}


async def test_a_batch_whose_producer_died_half_way_is_given_up_without_a_trace(
    store: Store, hands: Hands, shard: Shard, clock: Clock
) -> None:
    dying_after(shard, 3)
    with pytest.raises(Dies):
        await store.enqueue([new_job() for _ in range(3_000)])
    clock.forward(60_001)
    await sweep(shard)
    assert await hands.counts() == {}
    assert await shard.link.command("KEYS", "*") == [shard.keys.fixed("counts")]


async def test_a_batch_whose_producer_died_after_the_commit_is_released_by_others(
    store: Store, hands: Hands, shard: Shard, clock: Clock
) -> None:
    jobs = [new_job() for _ in range(1_200)]
    release, shard.release = shard.release, None  # type: ignore[method-assign, assignment]  # put in its place for the test
    with pytest.raises(TypeError):
        await store.enqueue(jobs)
    shard.release = release  # type: ignore[method-assign]  # put in its place for the test
    clock.forward(60_001)
    await sweep(shard)
    assert await hands.counts() == {State.WAITING: 1_200}
    await sweep(shard)
    clock.forward(60_001)
    await sweep(shard)
    assert await shard.staged() == []


async def test_a_batch_sent_again_after_its_producer_failed_is_whole(
    store: Store, hands: Hands, shard: Shard, clock: Clock
) -> None:
    jobs = [new_job() for _ in range(1_700)]
    stage = shard.stage
    dying_after(shard, 2)
    with pytest.raises(Dies):
        await store.enqueue(jobs)
    shard.stage = stage  # type: ignore[method-assign]  # put in its place for the test
    assert await store.enqueue(jobs) == [True] * 1_700
    assert await hands.counts() == {State.WAITING: 1_700}
    assert await store.enqueue(jobs) == [False] * 1_700
    assert await hands.counts() == {State.WAITING: 1_700}


async def test_a_batch_sent_again_while_it_is_being_given_up_is_whole(
    store: Store, hands: Hands, shard: Shard, clock: Clock
) -> None:
    jobs = [new_job() for _ in range(1_700)]
    stage = shard.stage
    dying_after(shard, 2)
    with pytest.raises(Dies):
        await store.enqueue(jobs)
    shard.stage = stage  # type: ignore[method-assign]  # put in its place for the test
    clock.forward(60_001)
    (batch,) = await shard.staged()
    assert await shard.release(batch) == 500
    assert await store.enqueue(jobs) == [True] * 1_700
    assert await hands.counts() == {State.WAITING: 1_700}


async def test_every_reply_may_be_lost_once(store: Store, hands: Hands, shard: Shard) -> None:
    class EverLossy(LossyLink):
        """Loses the reply to every first sending."""

        async def insist(self, send: Any, patience_s: float, *, what: str) -> Any:
            self.losing = 1
            return await super().insist(send, patience_s, what=what)

    shard.link = EverLossy(shard.link)
    jobs = [new_job() for _ in range(1_100)]
    assert await store.enqueue(jobs) == [True] * 1_100
    assert await hands.counts() == {State.WAITING: 1_100}


async def test_a_commit_that_is_repeated_after_the_release_is_still_one(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    await shard.stage("batch", [new_job("a"), new_job("b")])
    assert await shard.commit("batch", 2)
    assert await shard.release("batch") == 0
    assert await shard.commit("batch", 2)
    assert await shard.release("batch") == 0
    clock.forward(60_001)
    assert await shard.release("batch") == 0
    assert await shard.staged() == []


async def test_a_batch_that_is_not_there_whole_is_not_committed(hands: Hands, shard: Shard, clock: Clock) -> None:
    await shard.stage("batch", [new_job("a"), new_job("b")])
    assert not await shard.commit("batch", 3)
    assert not await shard.commit("unknown", 1)
    assert await shard.release("batch") == -1
    clock.forward(60_001)
    assert await shard.release("batch") == 0
    assert not await shard.commit("batch", 2)
    assert await hands.states("a", "b") == [None, None]


async def test_a_producer_that_was_too_slow_is_told(store: Store, hands: Hands, shard: Shard, clock: Clock) -> None:
    commit = shard.commit

    async def late(batch: str, size: int, **more: Any) -> bool:
        clock.forward(60_001)
        await sweep(shard)
        return await commit(batch, size, **more)

    shard.commit = late  # type: ignore[method-assign]  # much happens before it
    jobs = [new_job() for _ in range(1_100)]
    with pytest.raises(EnqueueExpired):
        await store.enqueue(jobs)
    assert await hands.counts() == {}
    shard.commit = commit  # type: ignore[method-assign]  # put in its place for the test
    assert await store.enqueue(jobs) == [True] * 1_100


async def test_each_part_of_a_batch_gives_time_for_the_next(hands: Hands, shard: Shard, clock: Clock) -> None:
    for _ in range(5):
        clock.forward(40_000)
        await shard.stage("batch", [new_job()])
    await sweep(shard)
    assert await shard.commit("batch", 5)


async def test_jobs_that_existed_already_stay_what_they_are(store: Store, hands: Hands, shard: Shard) -> None:
    await hands.put(new_job("known", due="+9"))
    jobs = [new_job() for _ in range(1_100)]
    jobs[3], jobs[555] = new_job("known"), new_job("known")
    created = await store.enqueue(jobs)
    assert [at for at, made in enumerate(created) if not made] == [3, 555]
    assert await hands.counts() == {State.DELAYED: 1, State.WAITING: 1_098}


async def test_an_id_that_is_twice_in_a_batch_is_one_job(store: Store, hands: Hands) -> None:
    jobs = [new_job() for _ in range(1_100)]
    jobs[700] = jobs[600] = jobs[2]
    created = await store.enqueue(jobs)
    assert [at for at, made in enumerate(created) if not made] == [600, 700]
    assert await hands.counts() == {State.WAITING: 1_098}


async def test_two_batches_that_share_a_first_job_do_not_commit_each_other(
    store: Store, hands: Hands, shard: Shard, clock: Clock
) -> None:
    shared = new_job("shared")
    one = [shared, *(new_job() for _ in range(1_100))]
    two = [shared, *(new_job() for _ in range(1_100))]
    stage = shard.stage
    dying_after(shard, 1)
    with pytest.raises(Dies):
        await store.enqueue(one)
    shard.stage = stage  # type: ignore[method-assign]  # put in its place for the test
    assert await store.enqueue(two) == [False, *[True] * 1_100]
    assert await hands.counts() == {State.BLOCKED: 500, State.WAITING: 1_100}
    clock.forward(60_001)
    await sweep(shard)
    assert await hands.counts() == {State.WAITING: 1_100}


async def test_large_jobs_are_sent_in_portions_that_a_server_takes(store: Store, hands: Hands, shard: Shard) -> None:
    sizes: list[int] = []
    stage = shard.stage

    async def measured(batch: str, jobs: Sequence[NewJob], **more: Any) -> list[bool | Met]:
        sizes.append(sum(len(job.spec) for job in jobs))
        return await stage(batch, jobs, **more)

    shard.stage = measured  # type: ignore[method-assign]  # and does what it did
    payload = b"x" * 2_500_000
    assert await store.enqueue([new_job(payload=payload) for _ in range(7)]) == [True] * 7
    assert len(sizes) == 3
    assert max(sizes) <= BATCH_BYTES
    assert await hands.counts() == {State.WAITING: 7}


@pytest.fixture
def staged(shard: Shard) -> list[int]:
    """How many jobs came in each part."""
    parts: list[int] = []
    stage = shard.stage

    async def counted(batch: str, jobs: Sequence[NewJob], **more: Any) -> list[bool | Met]:
        parts.append(len(jobs))
        return await stage(batch, jobs, **more)

    shard.stage = counted  # type: ignore[method-assign]  # and does what it did
    return parts


@pytest.mark.parametrize(
    ("count", "times", "parts"),
    [(250, 1, []), (1_000, 1, [250] * 4), (32, 32, []), (1_000, 1_000, [32] * 31 + [8])],
)
async def test_delayed_jobs_come_in_smaller_parts_and_even_smaller_ones_if_each_is_due_at_its_own_time(
    store: Store, hands: Hands, staged: list[int], count: int, times: int, parts: list[int]
) -> None:
    jobs = [new_job(due=f"+{1_000 + at % times}") for at in range(count)]
    assert await store.enqueue(jobs) == [True] * count
    assert staged == parts
    assert await hands.counts() == {State.DELAYED: count}


@pytest.mark.parametrize(("count", "parts"), [(146, []), (147, [146, 1]), (1_000, [146] * 6 + [124])])
async def test_jobs_with_unique_keys_come_in_smaller_parts(
    store: Store, hands: Hands, staged: list[int], count: int, parts: list[int]
) -> None:
    jobs = [new_job(unique=f"key-{at}:s:wdba:0") for at in range(count)]
    assert await store.enqueue(jobs) == [True] * count
    assert staged == parts
    assert await hands.counts() == {State.WAITING: count}


@pytest.mark.parametrize("states", ["wd", "wda", "wdba"])
async def test_jobs_that_come_in_parts_have_their_unique_keys_whatever_the_states_in_which_they_keep_them(
    store: Store, states: str
) -> None:
    jobs = [new_job(unique=f"key-{at % 100}:s:{states}:0") for at in range(200)]
    assert list(map(bool, await store.enqueue(jobs))) == [True] * 100 + [False] * 100
    again = [new_job(unique=f"key-{at}:s:{states}:0") for at in range(100)]
    assert list(map(bool, await store.enqueue(again))) == [False] * 100


async def test_jobs_with_many_different_records_are_released_in_smaller_parts(
    store: Store, hands: Hands, shard: Shard
) -> None:
    batch = "a batch"
    for first in range(0, 300, 100):
        await shard.stage(batch, [new_job(due=f"+{1_000 + at}") for at in range(first, first + 100)])
    await shard.commit(batch, 300)
    assert [await shard.release(batch) for _ in range(6)] == [250, 200, 150, 100, 50, 0]
    assert await hands.counts() == {State.DELAYED: 300}


async def test_no_more_than_fifty_records_that_differ_are_released_at_once(hands: Hands, shard: Shard) -> None:
    batch = "a batch"
    await shard.stage(batch, [new_job(due=f"+{at}") for at in [*[1_000] * 402, *range(1_001, 1_099)]])
    await shard.commit(batch, 500)
    assert [await shard.release(batch) for _ in range(2)] == [49, 0]
    assert await hands.counts() == {State.DELAYED: 500}


async def test_what_cannot_be_released_now_is_taken_in_all_the_same(store: Store, hands: Hands, shard: Shard) -> None:
    release = shard.release

    async def unavailable(batch: str, *, give_up: bool = False) -> int:
        raise StoreUnavailable(f"{batch}: gone")

    shard.release = unavailable  # type: ignore[method-assign]  # as when the server goes away at this moment
    assert await store.enqueue([new_job() for _ in range(600)]) == [True] * 600
    shard.release = release  # type: ignore[method-assign]  # put in its place for the test
    await sweep(shard)
    assert await hands.counts() == {State.WAITING: 600}


async def test_what_comes_into_a_batch_that_was_released_before_is_released_too(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    shard.retention = Retention(completed=0, least=0)
    await hands.join()
    for _ in range(2):
        assert await shard.stage("batch", [new_job("a")]) == [True]
        assert await shard.commit("batch", 1)
        await sweep(shard)
        (delivery,) = await hands.fetch()
        await shard.settle("w1", [done(delivery)])
        clock.forward(1)
    assert await hands.counts() == {}


async def test_who_comes_twice_in_a_part_of_a_batch_is_told_both_times_of_the_other_job(hands: Hands) -> None:
    assert await hands.shard.stage("batch", [job("a"), job("b"), job("b")]) == [True, Met("a", False), Met("a", False)]


async def test_an_id_that_is_twice_in_a_part_of_a_batch_is_told_so_by_a_repeat_too(hands: Hands, shard: Shard) -> None:
    shard.link = link = LossyLink(shard.link)
    link.losing = 1
    assert await shard.stage("batch", [new_job("a"), new_job("a")]) == [True, False]
