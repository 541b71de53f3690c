"""Handlers that heed no stop, in threads and in the loop: what they cost, and whom."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

import anyio
import pytest
from structlog.testing import capture_logs

import jobd
from jobd import clock
from jobd.catalog import Catalog
from jobd.client import Client
from jobd.context import Context
from jobd.domain.delivery import Delivery
from jobd.domain.outcome import Ending
from jobd.domain.state import State
from jobd.errors import StoreUnavailable
from jobd.roles.worker import stuck
from jobd.roles.worker.running import Running
from tests.roles.gate import Gate
from tests.roles.parts import PATIENCE_S, Parts
from tests.roles.until import until
from tests.roles.working import working


async def test_no_more_sync_handlers_run_than_there_are_threads_and_the_others_do_not_wait_here(
    parts: Parts, gate: Gate
) -> None:
    @jobd.job("hold", timeout="2s", max_attempts=1)
    def hold(number: int) -> int:
        time.sleep(0.2)
        return number

    @jobd.job("hold-on")
    def hold_on() -> None:
        gate.pass_through()

    @jobd.job("pass")
    async def quick() -> None: ...

    async with working(parts, hold, hold_on, quick, concurrency=50, threads=2) as client:
        await client.enqueue_many(hold_on, [{}] * 2)
        await until(lambda: gate.inside == 2)
        handles = await client.enqueue_many(hold, [{"number": number} for number in range(22)])
        # an async job is not held up by those that wait for a thread
        await (await client.enqueue(quick, {})).result(PATIENCE_S)
        gate.open()
        # none of them uses up its time while it waits: 22 of 0.2 s each, two at a time, are more than two seconds
        assert [await handle.result(PATIENCE_S) for handle in handles] == list(range(22))


async def test_the_slot_of_a_thread_left_behind_is_not_free(parts: Parts, gate: Gate) -> None:
    @jobd.job("hang", timeout="100ms", max_attempts=1)
    def hang() -> None:
        gate.pass_through()

    @jobd.job("pass")
    async def quick() -> None: ...

    async with working(parts, hang, quick, concurrency=2, threads=2) as client:
        hanging = [await client.enqueue(hang, {}) for _ in range(2)]
        for handle in hanging:
            assert (await client.wait(handle.id, PATIENCE_S)).status == State.FAILED
        # both slots hold a thread that nobody can stop: there is room for nothing else
        waiting = await client.enqueue(quick, {})
        with pytest.raises(jobd.JobdError, match="has not ended"):
            await waiting.result(0.5)
        gate.open()
        await waiting.result(PATIENCE_S)
        assert gate.most == 2


async def test_a_job_comes_back_while_its_old_thread_still_runs(parts: Parts, gate: Gate) -> None:
    ran: list[int] = []

    @jobd.job("hang", timeout="500ms", max_attempts=3, backoff="10ms")
    def hang(ctx: jobd.SyncContext) -> int:
        ran.append(ctx.attempt)
        if not ctx.last_attempt:
            gate.pass_through()
        return ctx.attempt

    async with working(parts, hang, concurrency=5, threads=5) as client:
        assert await (await client.enqueue(hang, {})).result(PATIENCE_S) == 3
        assert ran == [1, 2, 3]
        gate.open()
        assert await (await client.enqueue(hang, {}, max_attempts=1, timeout="30s")).result(PATIENCE_S) == 1


async def test_a_handler_that_swallows_its_timeout_harms_nobody(parts: Parts) -> None:
    @jobd.job("stubborn", timeout="30ms")
    async def stubborn() -> str:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            return "done all the same"
        return "in time"

    @jobd.job("grouped")
    async def grouped() -> None:
        async def fail() -> None:
            raise ValueError("as asked")

        async with asyncio.TaskGroup() as group:
            group.create_task(fail())

    async with working(parts, stubborn, grouped, concurrency=1) as client:
        assert await (await client.enqueue(stubborn, {})).result(PATIENCE_S) == "done all the same"
        job = await client.wait((await client.enqueue(grouped, {}, max_attempts=1)).id, PATIENCE_S)
        assert (job.status, (job.error or {})["type"]) == (State.FAILED, "ExceptionGroup")


async def test_handlers_that_heed_no_stop_are_told_once_each_and_show_in_the_list_of_workers(
    parts: Parts, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stuck, "STUCK_AFTER_S", 0.1)
    monkeypatch.setattr(stuck, "LOOK_S", 0.01)
    go_on = asyncio.Event()

    @jobd.job("deaf", timeout="20ms")
    async def deaf() -> None:
        while not go_on.is_set():
            try:
                await go_on.wait()
            except asyncio.CancelledError:
                continue

    @jobd.job("hang", timeout="20ms", max_attempts=1)
    def hang() -> None:
        gate.pass_through()

    async def stuck_in_list() -> Any:
        (member,) = await client.workers()
        return member.about.get("stuck")

    with capture_logs() as said:
        async with working(parts, deaf, hang, concurrency=10, threads=2) as client:
            jobs = [await client.enqueue(deaf, {}), await client.enqueue(hang, {})]
            with anyio.fail_after(PATIENCE_S):
                while await stuck_in_list() != 2:
                    await asyncio.sleep(0.005)
            go_on.set()
            gate.open()
            with anyio.fail_after(PATIENCE_S):
                while await stuck_in_list() != 0:
                    await asyncio.sleep(0.005)
            await jobs[0].result(PATIENCE_S)
    told = [line for line in said if "heeds no stop" in line["event"]]
    assert {(line["job"], line["type"], line["in_thread"]) for line in told} == {
        (jobs[0].id, "deaf", False),
        (jobs[1].id, "hang", True),
    }
    assert len(told) == 2
    assert all(line["stopped_s_ago"] >= 0.1 for line in told)
    assert len([line for line in said if "that heeded no stop has ended" in line["event"]]) == 2
    # one of two threads is half of them: nobody can replace this process, so it is only said
    assert [line["log_level"] for line in said if "only a restart helps" in line["event"]] == ["error"]


def stuck_since(stopped_at: float | None, *, in_thread: bool = False) -> Running:
    delivery = Delivery("j", "hang", "default", b"{}", b"", 5, 4, 0, 0.0, 1, 1, 0, False, 1, 0.0, "w")
    running = Running(delivery, cast("Context", None), None)
    running.stopped_at = stopped_at
    running.thread = asyncio.get_running_loop().create_future() if in_thread else None
    return running


@pytest.mark.parametrize(
    ("in_loop", "in_threads", "slots", "threads", "too_many"),
    [
        (1, 0, 2, 4, True),
        (1, 0, 3, 4, False),
        (1, 1, 5, 2, True),
        (1, 1, 5, 3, False),
        (0, 0, 5, 0, False),
    ],
)
async def test_they_are_too_many_when_they_hold_half_of_the_slots_or_half_of_the_threads(
    in_loop: int, in_threads: int, slots: int, threads: int, too_many: bool
) -> None:
    now = 100.0
    since = now - stuck.STUCK_AFTER_S
    those = [stuck_since(since) for _ in range(in_loop)] + [stuck_since(since, in_thread=True)] * in_threads
    running = dict(enumerate([*those, stuck_since(since + 0.1), stuck_since(None)]))
    handlers = stuck.StuckHandlers({(str(at), at): each for at, each in running.items()}, slots=slots, threads=threads)
    handlers.look(now)
    assert (handlers.count, handlers.too_many) == (in_loop + in_threads, too_many)


async def test_each_change_is_told_once_unless_the_store_did_not_hear_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stuck, "LOOK_S", 0)
    told: list[int] = []
    too_many: list[int] = []
    running = {("j", 1): stuck_since(clock.monotonic() - 2 * stuck.STUCK_AFTER_S)}

    async def tell(count: int) -> None:
        told.append(count)
        if len(told) == 1:
            raise StoreUnavailable("away")

    handlers = stuck.StuckHandlers(running, slots=2, threads=4)
    watching = asyncio.create_task(handlers.watch(tell, lambda: too_many.append(1)))
    for _ in range(20):
        await asyncio.sleep(0)
    assert (told, too_many) == ([1, 1], [1])
    running.clear()
    for _ in range(20):
        await asyncio.sleep(0)
    assert (told, too_many) == ([1, 1, 0], [1])
    watching.cancel()


async def test_where_another_engine_can_take_its_place_they_are_not_complained_about_but_left(parts: Parts) -> None:
    left: list[str] = []
    engine = parts.engine(on_stuck=lambda: left.append("left"))
    await engine.start()
    with capture_logs() as said:
        engine._too_many_stuck()
    await engine._tell_stuck(3)
    (member,) = await parts.client.workers()
    assert (left, said) == (["left"], [])
    assert (member.about["stuck"], member.about["leaving"]) == (3, True)
    await engine.stop()


async def test_a_drain_does_not_wait_for_a_thread_whose_attempt_is_settled(parts: Parts, gate: Gate) -> None:
    @jobd.job("hang", timeout="20ms", max_attempts=1)
    def hang() -> None:
        gate.pass_through()

    parts.catalog = Catalog([hang])
    parts.client = client = Client(store=parts.store, catalog=parts.catalog)
    engine = parts.engine()
    await engine.start()
    handle = await client.enqueue(hang, {})
    assert (await client.wait(handle.id, PATIENCE_S)).status == State.FAILED
    await engine.quiet()
    with anyio.fail_after(PATIENCE_S):
        await engine.drain()
    assert gate.inside == 1
    gate.open()
    await engine.stop()


async def test_a_handler_that_swallows_its_stop_ends_at_an_interrupt_as_it_was_told_to(parts: Parts) -> None:
    swallowed = asyncio.Event()

    @jobd.job("deaf", timeout="20ms", max_attempts=1)
    async def deaf() -> None:
        while True:
            try:
                await asyncio.sleep(3_600)
            except asyncio.CancelledError:
                if swallowed.is_set():
                    raise
                swallowed.set()

    async with working(parts, deaf) as client:
        handle = await client.enqueue(deaf, {})
        await swallowed.wait()
    job = await client.get(handle.id)
    assert (job.status, job.attempts[0].outcome) == (State.FAILED, Ending.TIMED_OUT)
