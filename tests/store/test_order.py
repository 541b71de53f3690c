"""The lane of an ordering key: its first job says what stops it, and whoever has the turn is the first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobd.domain.delivery import NewJob
from jobd.domain.state import State
from jobd.store.edits import Change, Move
from jobd.store.shard import Shard
from tests.store import raw
from tests.store.hands import Hands, done, given_back, ids, new_job, retried
from tests.store.unique_jobs import REPLACE, owner

pytestmark = [pytest.mark.usefixtures("watched_worker"), pytest.mark.requirement("3.2")]

STAMP = bytes(9)
BOTH = ",noop,odd,"


def job(job_id: str, **more: Any) -> NewJob:
    return new_job(job_id, **{"lane_key": "o=key", **more})


def changed(old: NewJob, new: NewJob) -> Change:
    return Change(old.id, STAMP + old.spec, new.spec)


# --- what stopped a job stops nobody else ----------------------------------------------------------------------------


async def is_cancelled(shard: Shard, first: NewJob) -> None:
    await shard.cancel([first.id], {})


async def is_removed(shard: Shard, first: NewJob) -> None:
    await shard.delete([first.id], [State.WAITING])


async def is_moved(shard: Shard, first: NewJob) -> None:
    await shard.move([Move(first.id, STAMP + first.spec, new_job(queue="other"))], {"reason": "why"})


async def expires(shard: Shard, first: NewJob) -> None:
    assert shard.dictated_us is not None
    shard.dictated_us += 1_000_000
    await shard.expire()


async def is_put_off(shard: Shard, first: NewJob) -> None:
    await shard.change([Change(first.id, due="+60000")])


async def comes_into_another_group(shard: Shard, first: NewJob) -> None:
    await shard.change([changed(first, job("first", lane_key="g=free;o=key", unique=REPLACE))])


async def is_replaced(shard: Shard, first: NewJob) -> None:
    await shard.enqueue([job("newest", lane_key="g=free;o=key", unique=REPLACE)])


async def has_another_put_before_it(shard: Shard, first: NewJob) -> None:
    await shard.enqueue([job("urgent", lane_key="g=free;o=key", front=True)])


@pytest.mark.parametrize(
    ("what_happens", "next_one"),
    [
        (is_cancelled, "second"),
        (is_removed, "second"),
        (is_moved, "second"),
        (expires, "second"),
        (is_put_off, "second"),
        (comes_into_another_group, "first"),
        (is_replaced, "first"),
        (has_another_put_before_it, "urgent"),
    ],
)
async def test_the_next_one_of_an_order_is_not_stopped_by_the_group_of_the_one_before(
    hands: Hands, whole: Callable[[], raw.Raw], what_happens: Callable[[Shard, NewJob], Any], next_one: str
) -> None:
    await hands.shard.set_rule("g/default/shut", {"paused": {"reason": "why"}})
    first = job("first", lane_key="g=shut;o=key", queue_timeout_ms=500, unique=REPLACE)
    await hands.put(first, job("second", lane_key="g=free;o=key"))
    assert await hands.fetch() == []
    await what_happens(hands.shard, first)
    assert next_one in ids(await hands.fetch())
    whole()


# --- whoever has the turn --------------------------------------------------------------------------------------------


async def test_a_job_for_the_front_comes_behind_the_one_that_has_the_turn(hands: Hands) -> None:
    (first,) = await hands.active(job("first"))
    await hands.put(job("second"))
    await hands.settle(given_back(first))
    await hands.put(job("urgent", front=True))
    for expected in ("first", "urgent", "second"):
        batch = await hands.fetch()
        assert ids(batch) == [expected]
        await hands.settle(*map(done, batch))


async def test_a_retry_that_is_due_together_with_a_new_job_of_its_order_goes_first(hands: Hands) -> None:
    (first,) = await hands.active(job("first"))
    await hands.put(job("second"), job("third", due="+500", front=True))
    await hands.settle(retried(first, 1_000))
    assert await hands.fetch() == []
    hands.clock.forward(1_000)
    await hands.shard.promote()
    assert ids(await hands.fetch()) == ["first"]


async def test_a_retry_that_was_put_off_comes_behind_the_one_that_has_the_turn_meanwhile(hands: Hands) -> None:
    (first,) = await hands.active(job("first"))
    await hands.put(job("second"))
    await hands.settle(given_back(first))
    await hands.shard.change([Change("first", due="+1000")])
    (second,) = await hands.fetch()
    await hands.settle(given_back(second))
    hands.clock.forward(1_000)
    await hands.shard.promote()
    (second,) = await hands.fetch()
    assert second.id == "second"
    await hands.settle(done(second))
    assert ids(await hands.fetch()) == ["first"]


async def test_a_job_that_came_into_an_order_and_stands_aside_gives_its_turn_up_when_it_is_cancelled(
    hands: Hands,
) -> None:
    await hands.join("w2")
    unique = {"type": "odd", "unique": "key:s:wdba:0"}
    old = job("first", lane_key="o=other", **unique)
    await hands.put(old)
    (first,) = await hands.fetch("w2", types=BOTH)
    await hands.settle(given_back(first), holder="w2")
    await hands.shard.change([changed(old, job("first", **unique))])
    assert await hands.fetch("w1") == []  # it stands aside, with its turn
    await hands.put(job("second"))
    assert await hands.fetch("w1") == []
    await hands.shard.cancel(["first"], {})
    assert ids(await hands.fetch("w1")) == ["second"]


async def test_a_job_that_stands_aside_for_the_second_time_is_not_stopped_by_its_own_turn(hands: Hands) -> None:
    await hands.shard.set_rule("t/noop", {"paused": {"reason": "why"}})
    await hands.put(job("first"))
    assert await hands.fetch() == []
    await hands.shard.change([Change("first", due="+1000")])
    hands.clock.forward(1_000)
    await hands.shard.promote()
    assert await hands.fetch() == []
    await hands.shard.set_rule("t/noop", None)
    assert ids(await hands.fetch()) == ["first"]


async def test_who_leaves_an_order_before_its_turn_takes_nobody_elses_turn_with_it(hands: Hands) -> None:
    (first,) = await hands.active(job("first"))
    await hands.put(job("second"), job("third"))
    await hands.shard.cancel(["second"], {})
    assert await hands.fetch() == []
    await hands.settle(done(first))
    assert ids(await hands.fetch()) == ["third"]


async def test_who_comes_into_another_order_keeps_its_unique_key(hands: Hands) -> None:
    old = job("first", unique=REPLACE)
    await hands.put(old)
    await hands.shard.change([changed(old, job("first", lane_key="o=other", unique=REPLACE))])
    assert await owner(hands.shard) == "first"


async def test_an_order_whose_first_job_is_cancelled_keeps_its_place_among_others(hands: Hands) -> None:
    await hands.put(job("first"), job("second"))
    hands.clock.forward(1)
    await hands.put(job("other", lane_key="o=other"))
    hands.clock.forward(1)
    await hands.shard.cancel(["first"], {})
    assert ids(await hands.fetch(want=1)) == ["second"]


async def test_a_job_comes_to_the_front_of_an_order_whose_first_one_was_removed(hands: Hands) -> None:
    await hands.put(job("first"), job("second"))
    await hands.shard.delete(["first"], [State.WAITING])
    await hands.put(job("urgent", front=True))
    assert ids(await hands.fetch()) == ["urgent"]
