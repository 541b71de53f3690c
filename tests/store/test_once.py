"""Requests that are to take effect once, by a name of the caller's."""

from __future__ import annotations

import asyncio

import pytest

from jobd.domain.state import State
from jobd.errors import IdempotencyMismatch, UniqueConflict
from jobd.store import link
from jobd.store.once import AnsweredBefore, Once
from jobd.store.shard import Retention, Shard
from jobd.store.store import Store
from tests.store.hands import Clock, Hands, LossyLink, done, new_job
from tests.store.strict_scripts import strict

ONCE = Once("name", "digest")
DAY_MS = 86_400_000


@pytest.fixture(autouse=True)
def under_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "load", strict)


async def test_a_repeat_gets_the_first_answer_and_makes_nothing(store: Store, hands: Hands) -> None:
    assert await store.enqueue_once([new_job("a", due="+5"), new_job("b")], ONCE) == (
        [("created", "a"), ("created", "b")],
        False,
    )
    assert await store.enqueue_once([new_job("c", due="+5"), new_job("d")], ONCE) == (
        [("created", "a"), ("created", "b")],
        True,
    )
    assert await hands.counts() == {State.WAITING: 1, State.DELAYED: 1}


async def test_the_answer_is_the_same_when_the_jobs_are_gone(store: Store, hands: Hands) -> None:
    hands.shard.retention = Retention(completed=0, least=0)
    await store.enqueue_once([new_job("a")], ONCE)
    await hands.join()
    await hands.settle(done((await hands.fetch())[0]))
    assert await hands.states("a") == [None]
    assert await store.enqueue_once([new_job("b")], ONCE) == ([("created", "a")], True)


async def test_the_answer_tells_ids_and_keys_that_existed(store: Store, hands: Hands) -> None:
    await hands.put(new_job("known"), new_job("owner", unique="k:r:wdba:0"))
    jobs = [
        *(new_job("known", priority=1), new_job("fresh"), new_job("x", unique="k:s:wdba:0", priority=3)),
        *(new_job("y", unique="k:r:wdba:0"), new_job("fresh")),
    ]
    told = [("existing", "known"), ("created", "fresh"), ("existing", "owner"), ("replaced", "owner")]
    assert await store.enqueue_once(jobs, ONCE) == ([*told, ("existing", "fresh")], False)
    assert await store.enqueue_once(jobs, ONCE) == ([*told, ("existing", "fresh")], True)


async def test_another_request_under_the_same_name_is_refused(store: Store, hands: Hands) -> None:
    await store.enqueue_once([new_job("a")], ONCE)
    with pytest.raises(IdempotencyMismatch, match="came with another request"):
        await store.enqueue_once([new_job("b")], Once("name", "other"))
    assert await hands.counts() == {State.WAITING: 1}


async def test_an_answer_is_kept_for_a_day(store: Store, hands: Hands, clock: Clock) -> None:
    await store.enqueue_once([new_job("a")], ONCE)
    clock.forward(DAY_MS - 1)
    assert await hands.shard.sweep() == 0
    assert (await store.enqueue_once([new_job("b")], ONCE))[1]
    clock.forward(1)
    assert await store.enqueue_once([new_job("c")], Once("name", "other")) == ([("created", "c")], False)
    clock.forward(DAY_MS)
    assert await hands.shard.sweep() == 1
    assert await hands.shard.link.command("EXISTS", *hands.shard.keys.all_fixed(["answers", "answered"])) == 0


async def test_a_lost_reply_changes_nothing(store: Store, hands: Hands, shard: Shard) -> None:
    lossy = shard.link = LossyLink(shard.link)
    lossy.losing = 3
    assert (await store.enqueue_once([new_job("a")], ONCE))[0] == [("created", "a")]
    assert await hands.counts() == {State.WAITING: 1}


async def test_what_was_refused_is_not_kept(store: Store, hands: Hands) -> None:
    await hands.put(new_job("owner", unique="k:s:wdba:0"))
    with pytest.raises(UniqueConflict):
        await store.enqueue_once([new_job("a", unique="k:s!:wdba:0")], ONCE)
    await hands.shard.cancel(["owner"], {})
    assert await store.enqueue_once([new_job("b", unique="k:s!:wdba:0")], ONCE) == ([("created", "b")], False)


async def test_of_many_that_come_at_once_one_takes_effect(store: Store, hands: Hands) -> None:
    answers = await asyncio.gather(*(store.enqueue_once([new_job(f"j{n}")], ONCE) for n in range(20)))
    assert len({answer[0][0] for answer in answers}) == 1
    assert [replayed for _, replayed in answers].count(False) == 1
    assert await hands.counts() == {State.WAITING: 1}


@pytest.mark.parametrize("losing", [0, 1])
async def test_a_large_batch_is_answered_alike(store: Store, hands: Hands, shard: Shard, losing: int) -> None:
    await hands.put(new_job("j7"))
    lossy = shard.link = LossyLink(shard.link)
    lossy.losing = losing
    told = [("existing" if n == 7 else "created", f"j{n}") for n in range(1_100)]
    assert await store.enqueue_once([new_job(f"j{n}") for n in range(1_100)], ONCE) == (told, False)
    assert await store.enqueue_once([new_job(f"k{n}") for n in range(1_100)], ONCE) == (told, True)
    assert await hands.counts() == {State.WAITING: 1_100}
    assert await shard.staged() == [name for name in await shard.staged() if await shard.release(name) == 0]


async def test_of_large_batches_that_come_at_once_one_takes_effect(store: Store, hands: Hands) -> None:
    batches = [[new_job(f"{name}{n}") for n in range(1_100)] for name in "xy"]
    answers = await asyncio.gather(*(store.enqueue_once(jobs, ONCE) for jobs in batches))
    assert answers[0][0] == answers[1][0]
    assert await hands.counts() == {State.WAITING: 1_100}


async def test_a_large_batch_of_which_nothing_is_new_is_kept_too(store: Store, hands: Hands) -> None:
    jobs = [new_job(f"j{n}") for n in range(1_100)]
    await store.enqueue(jobs)
    told = [("existing", f"j{n}") for n in range(1_100)]
    assert await store.enqueue_once(jobs, ONCE) == (told, False)
    assert await store.enqueue_once(jobs, ONCE) == (told, True)


async def test_the_answer_to_a_batch_of_any_size_is_kept(hands: Hands, shard: Shard) -> None:
    answers = [("created", str(number)) for number in range(10_000)]  # more than Lua can unpack at once
    assert await shard.commit("", 0, once=ONCE, answers=answers)
    with pytest.raises(AnsweredBefore) as before:
        await shard.commit("", 0, once=ONCE, answers=answers)
    assert before.value.answers == answers
