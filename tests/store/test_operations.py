"""The records of operations: who may work on one, when it ends, and which are remembered."""

from __future__ import annotations

import pytest

from jobd.domain.operation import Stage
from jobd.store import operations
from jobd.store.operations import Operations
from jobd.store.shard import Shard
from tests.store.hands import Clock, Hands

ABOUT = {"verb": "retry", "filter": {}, "arguments": {}}
FAR = {"seen": 9, "done": 8, "skipped": 1, "failed": 0, "errors": [], "cursor": None}


@pytest.fixture
def records(hands: Hands, shard: Shard) -> Operations:
    return Operations(shard)


async def stages(records: Operations) -> dict[str, Stage]:
    return {operation.id: operation.stage for operation in await records.list()}


async def test_one_that_has_ended_stays_as_it_is_whatever_is_asked_of_it(records: Operations, clock: Clock) -> None:
    await records.begin("done", ABOUT)
    assert await records.take("m1", 5_000) is not None
    assert await records.advance("done", "m1", 5_000, Stage.DONE, FAR) == "done"
    ended = await records.get("done")
    clock.forward(60_000)
    assert await records.abort("done") == "done"
    assert await records.advance("done", "m1", 5_000, Stage.RUNNING, FAR | {"seen": 10}) == "done"
    assert await records.get("done") == ended
    assert ended is not None
    assert ended.ended_at is not None
    assert await records.take("m2", 5_000, "done") is None


async def test_one_that_goes_on_has_not_ended(records: Operations) -> None:
    await records.begin("goes on", ABOUT)
    await records.take("m1", 5_000)
    assert await records.advance("goes on", "m1", 5_000, Stage.RUNNING, FAR) == "running"
    (running,) = await records.list()
    assert (running.stage, running.ended_at, running.seen) == (Stage.RUNNING, None, 9)


async def test_one_that_is_done_before_it_is_ended_is_done(records: Operations) -> None:
    await records.begin("asked", ABOUT)
    await records.take("m1", 5_000)
    assert await records.abort("asked") == "running"
    assert await records.advance("asked", "m1", 5_000, Stage.DONE, FAR) == "done"


async def test_one_that_is_unknown_can_neither_be_ended_nor_worked_on(records: Operations) -> None:
    assert await records.abort("unknown") == ""
    assert await records.advance("unknown", "m1", 5_000, Stage.RUNNING, FAR) == "lost"
    assert await records.list() == []


async def test_whoever_works_on_one_ends_it_until_the_last_moment_of_his_time(
    records: Operations, clock: Clock
) -> None:
    await records.begin("asked", ABOUT)
    await records.take("m1", 5_000)
    clock.forward(5_000)
    assert await records.abort("asked") == "running"
    assert await records.advance("asked", "m2", 5_000, Stage.RUNNING, FAR) == "lost"
    assert await records.advance("asked", "m1", 5_000, Stage.RUNNING, FAR) == "aborted"
    await records.begin("left alone", ABOUT)
    await records.take("m1", 5_000, "left alone")
    clock.forward(5_001)
    assert await records.abort("left alone") == "aborted"
    assert await stages(records) == {"asked": Stage.ABORTED, "left alone": Stage.ABORTED}


async def test_so_many_that_have_ended_are_remembered_and_all_that_run(
    records: Operations, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "KEPT", 3)
    for number, ends in enumerate((True, False, True)):
        clock.forward(1)
        await records.begin(f"{number}", ABOUT)
        assert set(await stages(records)) == {f"{each}" for each in range(number + 1)}
        if ends:
            assert await records.abort(f"{number}") == "aborted"
    clock.forward(1)
    await records.begin("1", ABOUT)  # once more: nothing changes
    await records.begin("3", ABOUT)
    running = Stage.RUNNING
    assert await stages(records) == {"1": running, "3": running}
    shard = records._shard
    assert await shard.link.command("ZCARD", shard.keys.fixed("operations")) == 2
    clock.forward(1)
    await records.begin("4", ABOUT)
    assert await stages(records) == {"1": running, "3": running, "4": running}


async def test_another_takes_it_on_when_his_time_is_over_and_not_before(records: Operations, clock: Clock) -> None:
    await records.begin("one", ABOUT)
    assert await records.take("m1", 5_000) is not None
    clock.forward(5_000)
    assert await records.take("m2", 5_000) is None
    clock.forward(1)
    assert await records.take("m2", 5_000) is not None
