"""Unique keys where jobs come together: in large batches, and from handlers with the end of their own job."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jobd.domain.delivery import Met, NewJob
from jobd.domain.state import State
from jobd.errors import OptionError, UniqueConflict
from jobd.store.store import Store
from tests.store import raw
from tests.store.hands import Hands, done, new_job
from tests.store.unique_jobs import INSISTING, KEEP_LAST, REPLACE, job, owner, payload

pytestmark = pytest.mark.usefixtures("watched_worker")


# --- batches ---------------------------------------------------------------------------------------------------------


async def test_a_large_batch_respects_keys(hands: Hands, store: Store, whole: Callable[[], raw.Raw]) -> None:
    await hands.put(job("a", "k7:s:wdba:0"))
    jobs = [job(f"b{at}", f"k{at % 600}:s:wdba:0") for at in range(1_100)]
    made = await store.enqueue(jobs)
    assert made[7] == Met("a", False)
    assert made[:600].count(True) == 599
    assert made[600:] == [Met("a" if at % 600 == 7 else f"b{at % 600}", False) for at in range(600, 1_100)]
    whole()
    assert await hands.counts() == {State.WAITING: 600}


async def test_who_comes_twice_in_a_large_batch_is_told_both_times_of_the_other_job(hands: Hands, store: Store) -> None:
    others = [new_job(f"j{number}") for number in range(1_000)]
    made = await store.enqueue([job("a"), job("b"), *others, job("b"), others[0]])
    assert (made[:2], made[-2:]) == ([True, Met("a", False)], [Met("a", False), False])
    assert await hands.states("a", "b") == [State.WAITING, None]


async def test_a_large_batch_that_meets_a_refusal_leaves_nothing(
    hands: Hands, store: Store, whole: Callable[[], raw.Raw]
) -> None:
    await hands.put(job("a"))
    with pytest.raises(UniqueConflict):
        await store.enqueue([*(job(f"b{at}", f"k{at}:s:wdba:0") for at in range(1_100)), job("c", INSISTING)])
    assert set(whole().uniques) == {"key"}
    assert await hands.counts() == {State.WAITING: 1}


async def test_a_large_batch_takes_no_job_that_may_give_its_data_away(store: Store) -> None:
    giving = NewJob("x", "default", 5, "", job("x", REPLACE).spec, gives_data=True)
    with pytest.raises(OptionError, match="batches of up to 1,000; this has 1,001 jobs"):
        await store.enqueue([*(new_job() for _ in range(1_000)), giving])
    assert await store.counts() == {}


# --- from handlers ---------------------------------------------------------------------------------------------------


async def test_what_a_handler_enqueues_respects_keys_and_ends_with_its_job(hands: Hands) -> None:
    await hands.put(job("a", "taken:s:wdba:0"))
    await hands.shard.cancel([], {})
    (first,) = await hands.fetch(want=1)
    (parent,) = await hands.active(new_job("parent"))
    children = [job("b", "taken:s!:wdba:0"), job("c", "free:s:wdba:0"), job("d", "free:s:wdba:0")]
    assert await hands.settle(done(parent, children=children)) == [1]
    assert await hands.states("parent", "b", "c", "d") == [State.COMPLETED, None, State.WAITING, None]
    assert await hands.settle(done(first, children=[job("e", "taken:s:wdba:0")])) == [1]
    assert await hands.states("e") == [State.WAITING]


async def test_a_job_may_enqueue_the_next_one_of_its_own_key(hands: Hands, whole: Callable[[], raw.Raw]) -> None:
    (delivery,) = await hands.active(job("a"))
    await hands.settle(done(delivery, children=[job("b")]))
    whole()
    assert await owner(hands.shard) == "b"


async def test_what_a_handler_enqueues_goes_to_the_follower_that_its_own_end_let_go(
    hands: Hands, whole: Callable[[], raw.Raw]
) -> None:
    (delivery,) = await hands.active(job("a", KEEP_LAST))
    await hands.put(job("b", KEEP_LAST, payload=b"2"))
    await hands.settle(done(delivery, children=[job("c", KEEP_LAST, payload=b"3", due="+50")]))
    whole()
    assert await hands.states("b", "c") == [State.DELAYED, None]
    assert await payload(hands, "b") == 3


async def test_settling_again_does_not_enqueue_again(hands: Hands) -> None:
    (delivery,) = await hands.active(job("a"))
    settlement = done(delivery, children=[job("b")])
    assert await hands.settle(settlement) == [1]
    (second,) = await hands.fetch()
    await hands.settle(done(second))
    assert await hands.settle(settlement) == [2]
    assert await hands.counts() == {State.COMPLETED: 2}
