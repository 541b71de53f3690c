"""Operations on many jobs: whole, bounded, abortable, and carried on by another when their runner dies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from jobd.catalog import Catalog
from jobd.client import Client
from jobd.control import operations
from jobd.domain.operation import Stage
from jobd.domain.state import State
from jobd.errors import InvalidRequest, OperationNotFound, StateConflict
from jobd.roles.operator import Operator
from jobd.store.shard import Shard
from jobd.store.store import Store
from tests.store.hands import Clock, Hands, done, failed, ids, new_job


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Client]:
    async with Client(store=Store.at(redis_url), catalog=Catalog()) as client:
        yield client


@pytest.fixture
def shard(client: Client) -> Shard:
    return client.store.shards[0]


@pytest.fixture
async def hands(shard: Shard) -> Hands:
    hands = Hands(shard, Clock(shard))
    await hands.join()
    return hands


async def fail(hands: Hands, *names: str, **how: Any) -> None:
    for delivery in await hands.active(*[new_job(name, **how) for name in names]):
        assert await hands.settle(failed(delivery)) == [1]


async def run(client: Client, verb: str, **said: Any) -> Any:
    return await client.run_operation((await client.operate(verb, **said)).id)


@pytest.mark.requirement("2.12")
async def test_all_failed_jobs_that_fit_are_retried(client: Client, hands: Hands) -> None:
    await fail(hands, "a", "b")
    await fail(hands, "other", queue="other")
    before = await client.preview("retry", queue="default")
    assert (before.count, before.exact, sorted(job.id for job in before.sample)) == (2, True, ["a", "b"])
    operation = await run(client, "retry", queue="default")
    assert (operation.stage, operation.seen, operation.done, operation.skipped) == (Stage.DONE, 2, 2, 0)
    assert operation.ended_at is not None
    assert await hands.counts() == {State.WAITING: 2}
    assert await hands.counts("other") == {State.FAILED: 1}


async def test_the_filter_knows_tags_and_metadata(client: Client, hands: Hands) -> None:
    await hands.put(new_job("a", metadata={"tenant": 5, "x": "y"}), new_job("b", metadata={"tenant": 6}), new_job("c"))
    await client.change("c", tags=["vip", "eu"])
    assert [job.id for job in (await client.list(metadata={"tenant": 5})).jobs] == ["a"]
    assert [job.id for job in (await client.list(tags=["vip"])).jobs] == ["c"]
    assert (await client.list(tags=["vip", "us"])).jobs == ()
    await run(client, "cancel", metadata={"tenant": 5}, reason="gone bankrupt")
    assert (await hands.job("a")).reason == "gone bankrupt"
    assert await hands.counts() == {State.CANCELLED: 1, State.WAITING: 2}


async def test_each_verb_does_what_it_says(client: Client, hands: Hands) -> None:
    await hands.put(*[new_job(name, due="+60000") for name in "abc"])
    assert (await run(client, "promote", most=2)).done == 2
    assert await hands.counts() == {State.WAITING: 2, State.DELAYED: 1}
    assert (await run(client, "change", changes={"priority": "critical", "tags": ["now"]})).done == 3
    assert [job.priority for job in (await client.list(tags=["now"])).jobs] == [1, 1, 1]
    moved = await run(client, "move", to="other", queue="default", status="waiting", reason="elsewhere")
    assert moved.done == 2
    assert await hands.counts("other") == {State.WAITING: 2}
    assert (await run(client, "cancel", queue="other")).done == 2
    assert (await run(client, "remove", queue="other")).done == 2
    assert await hands.counts("other") == {}


async def test_a_job_that_fails_after_the_operation_began_is_left_alone(client: Client, hands: Hands) -> None:
    await fail(hands, "early")
    operation = await client.operate("retry")
    hands.clock.forward(10)
    await fail(hands, "late")
    await client.run_operation(operation.id)
    assert await hands.states("early", "late") == [State.WAITING, State.FAILED]


async def test_another_goes_on_where_a_runner_died(
    client: Client, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hands.put(*[new_job(f"j{number:03}") for number in range(450)])
    operation = await client.operate("cancel")

    async def die(*_: Any) -> None:
        raise RuntimeError("killed")

    monkeypatch.setattr(operations.OperationControl, "_apply", die)
    with pytest.raises(RuntimeError):
        await client.carry_on("first", operation.id)
    monkeypatch.undo()
    # it holds the lease still: nobody else may go on
    assert not await client.carry_on("second", operation.id)
    hands.clock.forward(operations.LEASE_MS + 1)
    assert await client.carry_on("second", seconds=0)
    half = await client.operation(operation.id)
    assert (half.stage, half.done) == (Stage.RUNNING, 200)
    # one that was thought dead is refused, and stops
    assert await client._operations.advance(operation.id, "first", 1, Stage.DONE, {}) == "lost"
    operator = Operator(client, report=lambda *_: None)
    while await operator.run_once():
        pass
    assert (await client.operation(operation.id)).done == 450
    assert await hands.counts() == {State.CANCELLED: 450}


async def test_a_chunk_that_is_done_twice_is_done_once(client: Client, hands: Hands) -> None:
    """Its runner died behind the chunk, before it could say so."""
    await fail(hands, "a", "b")
    operation = await client.operate("move", to="other")
    taken = await client._operations.take("first", 1_000, operation.id)
    assert taken is not None
    for name in ("a", "b"):
        await client.move_to(name, "other")
    hands.clock.forward(1_001)
    over = await client.run_operation(operation.id)
    assert (over.stage, over.done, over.failed) == (Stage.DONE, 0, 0)
    assert await hands.counts("other") == {State.WAITING: 2}


async def test_an_operation_is_aborted_between_two_chunks(client: Client, hands: Hands) -> None:
    await hands.put(*[new_job() for _ in range(300)])
    operation = await client.operate("cancel")
    await client._operations.take("runner", 30_000, operation.id)
    assert (await client.abort_operation(operation.id)).stage is Stage.RUNNING
    assert await client.carry_on("runner", operation.id)
    over = await client.operation(operation.id)
    assert (over.stage, over.done) == (Stage.ABORTED, 200)
    assert (await client.abort_operation(operation.id)).stage is Stage.ABORTED
    assert not await client.carry_on("runner", operation.id)
    idle = await client.operate("cancel")
    assert (await client.abort_operation(idle.id)).stage is Stage.ABORTED


async def test_what_cannot_be_done_to_single_jobs_is_told_and_the_others_are_done(
    client: Client, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hands.put(new_job("a"), new_job("b"))
    change_to = client.change_to

    async def change(job_id: str, *said: Any, **more: Any) -> Any:
        if job_id == "a":
            await hands.fetch(want=1)  # a worker is faster
        return await change_to(job_id, *said, **more)

    monkeypatch.setattr(client, "change_to", change)
    over = await run(client, "change", changes={"priority": 1})
    assert (over.done, over.failed) == (1, 1)
    assert over.errors[0]["id"] == "a"
    assert "active" in over.errors[0]["message"]


async def test_the_errors_of_an_operation_are_its_own(client: Client, hands: Hands) -> None:
    for name in ("a", "b"):
        await hands.put(new_job(name, queue=name, type="noop"))
        over = await run(client, "change", queue=name, data={"x": 1}, changes={"rate_key": "no rate"})
        assert [error["id"] for error in over.errors] == [name]


@pytest.mark.parametrize(
    ("verb", "said", "message"),
    [
        ("explode", {}, "there is no operation 'explode'"),
        ("retry", {"status": "waiting"}, "waiting cannot be part of retry"),
        ("remove", {"status": "active"}, "active"),
        ("move", {}, "needs the queue"),
        ("cancel", {"to": "q"}, "nothing else does"),
        ("change", {}, "needs options or fields"),
        ("retry", {"status": "nonsense"}, "no status"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    client: Client, hands: Hands, verb: str, said: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidRequest, match=message):
        await client.operate(verb, **said)
    assert await client.operations() == []


async def test_the_last_hundred_are_remembered(client: Client, hands: Hands) -> None:
    first = await run(client, "retry")
    for _ in range(100):
        hands.clock.forward(1)
        await run(client, "retry")
    assert len(await client.operations()) <= 101
    with pytest.raises(OperationNotFound):
        await client.operation(first.id)


# --- whole queues ----------------------------------------------------------------------------------------------------


@pytest.mark.requirement("3.1")
async def test_a_queue_is_drained_of_what_waits_and_never_of_what_runs(client: Client, hands: Hands) -> None:
    await hands.active(new_job("runs"))
    await hands.put(*[new_job() for _ in range(250)], new_job("later", due="+5000"), new_job("else", queue="other"))
    assert await client.drain("default") == 250
    assert await hands.counts() == {State.ACTIVE: 1, State.DELAYED: 1}
    assert await client.drain("default", delayed=True) == 1
    assert ids(await hands.fetch()) == ["else"]


@pytest.mark.requirement("3.1")
async def test_a_queue_is_cleaned_of_what_ended_long_ago(client: Client, hands: Hands) -> None:
    await fail(hands, "old")
    hands.clock.forward(5_001)
    await hands.settle(*[done(delivery) for delivery in await hands.active(new_job("a"), new_job("b"))])
    assert await client.clean("default", older_than="5s") == 1
    assert await client.clean("default", status="failed") == 0
    assert await client.clean("default", most=1) == 1
    assert await hands.counts() == {State.COMPLETED: 1}


async def test_all_failed_are_retried_and_all_delayed_promoted(client: Client, hands: Hands) -> None:
    await fail(hands, "a", "b")
    await hands.put(new_job("c", due="+5000"))
    assert await client.retry_failed("default") == 2
    assert await client.promote_delayed("default") == 1
    assert await hands.counts() == {State.WAITING: 3}


async def test_a_queue_is_obliterated_by_force_even_while_it_works(client: Client, hands: Hands) -> None:
    await fail(hands, "failed")
    (delivery,) = await hands.active(new_job("runs", lane_key="c=k:1"))
    await hands.put(new_job("waits"), new_job("later", due="+5000"), new_job("else", queue="other"))
    with pytest.raises(StateConflict, match="1 active"):
        await client.obliterate("default")
    assert await client.obliterate("default", force=True) == 4
    assert await hands.counts() == {}
    assert f"cancel runs {delivery.fence}" in await hands.words("w1")
    # its worker, which does not know yet, settles into nothing; and its place is free
    assert await hands.settle(done(delivery)) == [2]
    await hands.put(new_job("next", lane_key="c=k:1"))
    assert sorted(ids(await hands.fetch())) == ["else", "next"]
