"""A worker whose jobs are short takes the next ones while it runs the last, and keeps none that would have to wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

import jobd
from jobd.domain.delivery import Delivery
from jobd.domain.outcome import Ending
from jobd.domain.time_limits import EXPIRED, TimeLimits
from jobd.roles.membership import LEFT
from jobd.roles.worker.appetite import LOOK_S, MOST_AHEAD, Appetite
from jobd.roles.worker.cancels import CANCELLED, Cancels
from jobd.roles.worker.slots import Slots
from tests.roles.parts import PATIENCE_S, Parts
from tests.roles.until import until
from tests.roles.working import working


async def test_jobs_behind_a_long_one_go_back_to_others_and_bear_no_trace_of_it(parts: Parts) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    @jobd.job("short")
    async def short() -> None:
        pass

    @jobd.job("long")
    async def long() -> None:
        begun.set()
        await go_on.wait()

    async with working(parts, short, long, concurrency=1) as client:
        await client.enqueue_many(short, [{}] * 200)
        slow = await client.enqueue(long, {})
        behind = await client.enqueue_many(short, [{}] * 100)
        await begun.wait()

        async def was_taken() -> bool:
            runs = parts.shard.keys.fixed("runs")  # who never had a delivery has no record there
            return any(await parts.shard.link.command("HMGET", runs, *[handle.id for handle in behind]))

        await until(was_taken)
        second = parts.engine(concurrency=1)
        await second.start()
        for handle in behind:
            await handle.result(PATIENCE_S)
            job = await handle.get()
            assert (job.attempt, job.deliveries) == (1, 1)
            assert [attempt.outcome for attempt in job.attempts] == [Ending.RETURNED]
        go_on.set()
        await slow.result(PATIENCE_S)
        await second.stop()


async def test_what_waits_in_a_worker_does_not_begin_when_the_lease_is_lost(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []

    @jobd.job("hold")
    async def hold(ctx: jobd.Context) -> None:
        begun.append(ctx.job.id)
        if len(begun) == 1:
            await asyncio.Event().wait()

    async with working(parts, hold, concurrency=1) as client:
        first = await client.enqueue(hold)
        await until(lambda: begun == [first.id])
        engine, tell = parts.engines[-1], parts.store.tell_types

        async def tell_from_afar(types: Mapping[str, Mapping[str, Any]]) -> None:
            await until(lambda: engine.busy == 0)  # its slot has long been free when the answer comes
            await tell(types)

        monkeypatch.setattr(parts.store, "tell_types", tell_from_afar)
        former = engine._membership.id
        await parts.shard.leave(former, LEFT)
        engine._slots.give([replace(a_job(2), type="hold", holder=former)])
        engine._look_again()
        await first.result(PATIENCE_S)
        assert begun == [first.id, first.id]


async def test_what_waited_and_need_not_run_any_more_does_not(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = parts.engine()
    await engine.start()
    done: list[tuple[str, object]] = []
    monkeypatch.setattr(engine._runner, "run", lambda delivery: done.append((delivery.id, "runs")))
    monkeypatch.setattr(engine, "_settle", lambda delivery, outcome, _: done.append((delivery.id, outcome)))
    monkeypatch.setattr(engine, "_give_back", lambda jobs: done.extend((job.id, "goes back") for job in jobs))
    mine = engine._membership.id
    engine._cancels.early.add(("j2", 2))
    of_before, cancelled, late = a_job(1), replace(a_job(2), holder=mine), replace(a_job(3), holder=mine)
    late = replace(late, started_ms=5.0, limits=TimeLimits(5.0, 0, 0, 0))
    for delivery in (of_before, cancelled, late, replace(a_job(4), holder=mine)):
        engine._run(delivery)
    assert done == [("j2", CANCELLED), ("j3", EXPIRED), ("j4", "runs")]
    engine._interrupted = True
    engine._run(replace(a_job(5), holder=mine))
    assert done[3:] == [("j5", "goes back")]
    monkeypatch.undo()
    engine._settle(cancelled, CANCELLED, None)
    assert engine._outbox.keys == {("j2", 2)}
    await engine.stop()


def test_two_fetches_make_the_whole_that_a_worker_may_have_in_hand() -> None:
    slots = Slots(50, never)
    appetite = Appetite(slots, refuse)
    assert wants(appetite, slots, 50, 0) == [0, 50]
    grow(appetite)
    assert appetite.ahead == MOST_AHEAD
    assert wants(appetite, slots, 0, 125, 200, 300) == [125, 125, 50, 0]


def test_a_worker_takes_none_ahead_while_its_slots_are_busy_or_a_fetch_does_not_pay() -> None:
    slots = Slots(50, never)
    appetite = Appetite(slots, refuse)
    slots.busy = 26
    grow(appetite)
    assert appetite.ahead == 0
    slots.busy = 0
    for count in (49, 50, 0, 50):
        appetite.fetched(count, 50)
    assert appetite.ahead == 0
    slots.busy = 25
    grow(appetite)
    assert appetite.ahead == MOST_AHEAD


async def test_it_looks_once_at_those_that_wait_and_not_at_all_when_none_does() -> None:
    slots = Slots(1, never)
    appetite = Appetite(slots, refuse)
    appetite.watch()
    grow(appetite)
    appetite.watch()
    assert appetite._next_look is None
    slots.give([a_job(1), a_job(2)])
    appetite.watch()
    look = appetite._next_look
    assert look is not None
    appetite.watch()
    assert appetite._next_look is look
    look.cancel()


def test_a_worker_for_suspects_takes_none_ahead() -> None:
    slots = Slots(1, never)
    appetite = Appetite(slots, refuse, most_ahead=0)
    grow(appetite)
    assert wants(appetite, slots, 0, 1) == [1, 0]


async def test_what_came_since_the_last_look_stays_and_what_a_loop_held_up_once_does_too() -> None:
    given_back: list[Delivery] = []
    slots = Slots(1, never)
    appetite = Appetite(slots, given_back.extend)
    jobs = [a_job(1), a_job(2)]
    slots.give(jobs)
    now = asyncio.get_running_loop().time()
    appetite._look(0, now)  # nobody waited when it was planned
    appetite._look(2, now - 1)
    assert given_back == []
    appetite._look(2, now - 1)
    assert given_back == jobs


async def test_a_worker_whose_handlers_hold_up_its_loop_keeps_none_that_wait() -> None:
    given_back: list[Delivery] = []
    begun: list[Delivery] = []

    async def hold_up(delivery: Delivery) -> None:
        begun.append(delivery)
        time.sleep(3 * LOOK_S)  # noqa: ASYNC251  what no async handler should do, and many a one does

    slots = Slots(1, hold_up)
    appetite = Appetite(slots, given_back.extend)
    grow(appetite)
    slots.open()
    jobs = [a_job(number) for number in range(8)]
    slots.give(jobs)
    appetite.watch()
    while slots.busy:
        await asyncio.sleep(0)
    await slots.close()
    assert given_back
    assert begun + given_back == jobs
    assert appetite.ahead < MOST_AHEAD


async def test_what_comes_when_a_worker_takes_none_ahead_any_more_does_not_stay_behind_a_long_job() -> None:
    go_on = asyncio.Event()
    given_back: asyncio.Queue[Delivery] = asyncio.Queue()

    async def wait(delivery: Delivery) -> None:
        await go_on.wait()

    def put_all(jobs: list[Delivery]) -> None:
        for job in jobs:
            given_back.put_nowait(job)

    slots = Slots(1, wait)
    appetite = Appetite(slots, put_all)
    grow(appetite)
    slots.open()
    slots.give([a_job(1), a_job(2)])
    appetite.watch()
    async with asyncio.timeout(PATIENCE_S):
        assert (await given_back.get()).id == "j2"
        assert appetite.ahead == 0
        slots.give([a_job(3)])  # it was on its way
        appetite.watch()
        assert (await given_back.get()).id == "j3"
    go_on.set()
    await slots.close()


async def test_a_job_that_waits_is_cancelled_however_many_more_are(parts: Parts) -> None:
    slots = Slots(1, never)
    waiting = a_job(1)
    slots.give([waiting])
    cancels = Cancels(parts.shard, {}, slots)
    for number in range(3_000):
        cancels.cancel((f"j{number}", number))
    assert (waiting.id, waiting.fence) in cancels.early
    assert len(cancels.early) <= 1_001


async def never(delivery: Delivery) -> None:
    raise AssertionError("these slots are not open")


def a_job(number: int) -> Delivery:
    return Delivery(f"j{number}", "noop", "default", b"{}", b"", 5, 1, 0, 0.0, 1, 1, 0, False, number, 0.0, "w1")


def refuse(jobs: list[Delivery]) -> None:
    raise AssertionError("there is none that waits")


def grow(appetite: Appetite) -> None:
    """As if all fetches paid, and the jobs took no time."""
    for _ in range(10):
        appetite.fetched(1, 1)


def wants(appetite: Appetite, slots: Slots, *in_hand: int) -> list[int]:
    """How many it wants with so many jobs in hand."""
    answers = []
    for slots.busy in in_hand:
        answers.append(appetite.want)
    return answers
