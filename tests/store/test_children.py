"""What a handler enqueued: made in one move with its completion, once, or not at all."""

from __future__ import annotations

import pytest

from jobd.domain.settle import COMPLETED, Verdict
from jobd.domain.state import State
from jobd.store.shard import BATCH, Retention, Settlement, Shard
from tests.store.hands import (
    Hands,
    done,
    given_back,
    ids,
    new_job,
)
from tests.store.test_settle import VERDICTS


async def test_what_a_handler_enqueued_is_made_with_its_completion(hands: Hands, shard: Shard) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("parent"))
    children = [new_job("now"), new_job("later", due="+50"), new_job("elsewhere", queue="other", priority=1)]
    assert await shard.settle("w1", [done(delivery, children=children)]) == [1]
    assert await hands.states("parent", "now", "later", "elsewhere") == [
        State.COMPLETED,
        State.WAITING,
        State.DELAYED,
        State.WAITING,
    ]
    assert await hands.counts() == {State.COMPLETED: 1, State.WAITING: 1, State.DELAYED: 1}


async def test_what_a_handler_enqueued_is_dropped_when_its_settlement_is_refused(hands: Hands, shard: Shard) -> None:
    await hands.join()
    one, two = await hands.active(new_job("one"), new_job("two"))
    stale = Settlement("one", one.fence - 1, COMPLETED, children=[new_job("dropped")])
    assert await shard.settle("w1", [stale, done(two, children=[new_job("made")])]) == [0, 1]
    assert await hands.states("dropped", "made") == [None, State.WAITING]


@pytest.mark.parametrize("verdict", [verdict for verdict in VERDICTS.values() if verdict is not COMPLETED])
async def test_what_a_handler_enqueued_is_dropped_unless_it_returned(
    hands: Hands, shard: Shard, verdict: Verdict
) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("parent"))
    settlement = Settlement(delivery.id, delivery.fence, verdict, children=[new_job("child")])
    assert await shard.settle("w1", [settlement]) == [1]
    assert await hands.states("child") == [None]


async def test_what_a_handler_enqueued_is_made_once_however_often_it_is_settled(hands: Hands, shard: Shard) -> None:
    shard.retention = Retention(completed=0, least=0)
    await hands.join()
    (delivery,) = await hands.active(new_job("parent"))
    settlement = done(delivery, children=[new_job("child")])
    assert await shard.settle("w1", [settlement]) == [1]
    (child,) = await hands.fetch()
    await shard.settle("w1", [done(child)])
    assert await shard.settle("w1", [settlement]) == [2]
    assert await hands.states("child") == [None]
    assert await hands.counts() == {}


async def test_a_child_that_two_handlers_enqueued_under_one_id_is_one_job(hands: Hands, shard: Shard) -> None:
    await hands.join()
    batch = await hands.active(new_job(), new_job())
    settlements = [done(delivery, children=[new_job("child"), new_job("child", queue="x")]) for delivery in batch]
    assert await shard.settle("w1", settlements) == [1, 1]
    assert await hands.counts() == {State.COMPLETED: 2, State.WAITING: 1}
    assert await hands.counts("x") == {}
    assert ids(await hands.fetch()) == ["child"]


async def test_what_two_deliveries_of_one_job_enqueued_is_told_apart(hands: Hands, shard: Shard) -> None:
    await hands.join()
    (old,) = await hands.active(new_job("parent"))
    await shard.settle("w1", [given_back(old)])
    (new,) = await hands.fetch()
    both = [done(old, children=[new_job("dropped")]), done(new, children=[new_job("made")])]
    assert await shard.settle("w1", both) == [0, 1]
    assert await hands.states("dropped", "made") == [None, State.WAITING]


async def test_thousands_of_children_and_settlements_in_one_call_are_all_taken(hands: Hands, shard: Shard) -> None:
    await hands.join()
    batch = await hands.active(*[new_job() for _ in range(BATCH)])
    children = [[new_job() for _ in range(7)] for _ in batch]
    assert await shard.settle("w1", list(map(done, batch, [b"1"] * BATCH, children))) == [1] * BATCH
    assert await hands.counts() == {State.COMPLETED: BATCH, State.WAITING: 7 * BATCH}


async def test_ten_thousand_children_of_one_job_are_made_whole(hands: Hands, shard: Shard) -> None:
    await hands.join()
    parent, other = await hands.active(new_job(), new_job())
    children = [new_job(due="" if at % 2 else "+5") for at in range(10_000)]
    answers, _ = await hands.turn("w1", [done(other), done(parent, children=children)], want=0)
    assert answers == [1, 1]
    assert await hands.counts() == {State.COMPLETED: 2, State.WAITING: 5_000, State.DELAYED: 5_000}


@pytest.mark.parametrize("due", ["", "+1000"])
async def test_a_child_whose_id_is_taken_leaves_the_job_that_has_it_as_it_is(
    hands: Hands, shard: Shard, due: str
) -> None:
    await hands.join()
    taken, parent = await hands.active(new_job("taken"), new_job("parent"))
    await hands.settle(done(taken))
    assert await hands.settle(done(parent, children=[new_job("taken", queue="other", due=due)])) == [1]
    assert await hands.states("taken") == [State.COMPLETED]
    assert await hands.counts("other") == {}
