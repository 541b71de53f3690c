"""Batches by themselves: who leaves one that is not called yet, and what is not called twice or for nobody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, cast

import pytest

import jobd
from jobd.context import Context
from jobd.domain.delivery import Delivery
from jobd.domain.outcome import Ending, Outcome
from jobd.domain.time_limits import TimeLimits
from jobd.roles.worker.batches import UNEXCUSED_MS, Batches
from jobd.roles.worker.running import Running
from jobd.roles.worker.threads import Threads
from tests.roles.batch_jobs import Doc
from tests.roles.parts import PATIENCE_S

CANCELLED = Outcome(Ending.CANCELLED)
_DELIVERY = Delivery("j", "pair", "default", b"{}", b"", 5, 4, 0, 0.0, 1, 1, 0, False, 1, 0.0, "w")


class Hall:
    """Batches over one thread, and what they were told and called."""

    def __init__(self) -> None:
        self.threads = Threads(1)
        self.batches = Batches(self.threads, 10, self._limit, self._excuse)
        self.excused: list[int] = []
        self.called: list[list[int]] = []
        self.go_on = threading.Event()
        self.lost: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, said: self.lost.append(said["message"]))

    def _limit(self, running: Running, since_ms: float) -> None: ...

    async def _excuse(self, running: Running, ms: int) -> None:
        self.excused.append(ms)

    def sync(self, *, batch: int, batch_wait: str) -> jobd.JobType[Any, Any]:
        @jobd.job("pair", batch=batch, batch_wait=batch_wait)
        def pair(items: list[Doc]) -> list[int]:
            self.called.append([item.number for item in items])
            self.go_on.wait()
            return self.called[-1]

        return pair

    def enter(
        self, job_type: jobd.JobType[Any, Any], number: int, **facts: Any
    ) -> tuple[Running, asyncio.Task[Outcome]]:
        """A job comes in."""
        running = Running(replace(_DELIVERY, **facts), cast("Context", None), None)
        running.job_type = job_type
        assert job_type.batch is not None
        run = self.batches.run(running, job_type, job_type.batch, Doc(number=number))
        return running, asyncio.create_task(run)

    async def turn(self) -> None:
        """All who can go on have done so."""
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.fixture
async def hall() -> AsyncIterator[Hall]:
    hall = Hall()
    yield hall
    hall.go_on.set()
    hall.batches.close()
    hall.threads.close()
    assert hall.lost == []


async def ended(*tasks: asyncio.Task[Outcome]) -> list[Outcome]:
    async with asyncio.timeout(PATIENCE_S):
        return await asyncio.gather(*tasks)


async def stop(task: asyncio.Task[Outcome]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_who_leaves_while_a_thread_is_awaited_takes_nobody_along_and_the_last_one_the_call(hall: Hall) -> None:
    pair = hall.sync(batch=2, batch_wait="1h")
    assert await hall.threads.wait_free(0)
    (_, one), (_, two) = hall.enter(pair, 1), hall.enter(pair, 2)
    await hall.turn()
    (_, three) = hall.enter(pair, 3)
    await hall.turn()
    await stop(one)
    await stop(two)
    (_, four) = hall.enter(pair, 4)
    hall.go_on.set()
    hall.threads.start(lambda: None)  # and gives the thread back
    assert [outcome.result for outcome in await ended(three, four)] == [b"3", b"4"]
    assert hall.called == [[3, 4]]


async def test_one_that_leaves_while_others_are_awaited_leaves_them_their_places(hall: Hall) -> None:
    pair = hall.sync(batch=2, batch_wait="1h")
    hall.go_on.set()
    (_, one), (_, two) = hall.enter(pair, 1), hall.enter(pair, 2)
    await hall.turn()
    await ended(one, two)
    triple = hall.sync(batch=3, batch_wait="1h")
    (_, three), (_, four) = hall.enter(triple, 3), hall.enter(triple, 4)
    await hall.turn()
    await stop(three)
    (_, five), (_, six) = hall.enter(triple, 5), hall.enter(triple, 6)
    assert [outcome.result for outcome in await ended(four, five, six)] == [b"4", b"5", b"6"]
    (_, alone) = hall.enter(triple, 7)
    await hall.turn()
    await stop(alone)
    hall.batches.hurry()
    await hall.turn()
    assert hall.called == [[1, 2], [4, 5, 6]]


async def test_one_that_is_left_behind_does_not_keep_another_from_its_result(hall: Hall) -> None:
    pair = hall.sync(batch=2, batch_wait="1h")
    (late, one), (told, two) = hall.enter(pair, 1), hall.enter(pair, 2)
    await hall.turn()
    late.stopped = told.stopped = CANCELLED
    await stop(one)
    hall.go_on.set()
    (outcome,) = await ended(two)
    assert outcome.result == b"2"


async def test_a_full_batch_is_called_once_although_its_time_to_wait_ends_meanwhile(hall: Hall) -> None:
    over = asyncio.Event()

    @jobd.job("pair", batch=2, batch_wait="10ms")
    async def pair(items: list[Doc]) -> None:
        hall.called.append([item.number for item in items])
        await over.wait()

    (_, one), (_, two) = hall.enter(pair, 1), hall.enter(pair, 2)
    asyncio.get_running_loop().call_later(0.05, over.set)  # behind that time
    await ended(one, two)
    assert hall.called == [[1, 2]]


async def test_async_handlers_take_no_threads(hall: Hall) -> None:
    @jobd.job("single", batch=1)
    async def single(items: list[Doc]) -> int:
        return len(items)

    for number in range(3):
        assert (await ended(hall.enter(single, number)[1]))[0].result == b"1"
    assert not hall.threads.all_taken


async def test_a_handler_that_cleans_up_is_not_stopped_again_by_the_next_of_its_jobs(hall: Hall) -> None:
    may_end = asyncio.Event()

    @jobd.job("pair", batch=2, batch_wait="1h")
    async def pair(items: list[Doc]) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await may_end.wait()
            hall.called.append([item.number for item in items])

    (first, one), (second, two) = hall.enter(pair, 1), hall.enter(pair, 2)
    await hall.turn()
    first.stopped = second.stopped = CANCELLED
    for task in (one, two):
        task.cancel()
        await hall.turn()
    may_end.set()
    assert await ended(one, two) == [CANCELLED, CANCELLED]
    assert hall.called == [[1, 2]]


async def test_a_group_of_two_queues_is_two_groups_and_when_no_more_will_come_nobody_waits(hall: Hall) -> None:
    pair = hall.sync(batch=2, batch_wait="1h")
    hall.go_on.set()
    (_, one), (_, two) = (hall.enter(pair, number, queue=f"q{number}", lane_key="g=t") for number in (1, 2))
    (_, three), (_, four) = (hall.enter(pair, number, queue=f"q{number}") for number in (3, 4))
    await ended(three, four)
    assert hall.called == [[3, 4]]
    hall.batches.hurry()
    await ended(one, two, hall.enter(pair, 5)[1])
    assert sorted(hall.called) == [[1], [2], [3, 4], [5]]


async def test_a_fault_of_ours_leaves_nobody_waiting(hall: Hall) -> None:
    over = asyncio.Event()

    @jobd.job("triple", batch=3, batch_wait="1h", backoff=lambda failure: 1)
    async def triple(items: list[Doc]) -> None:
        await over.wait()
        raise ValueError("the handler's")

    (_, gone), *others = (hall.enter(triple, number, options=b"[]") for number in range(3))
    await hall.turn()
    await stop(gone)
    over.set()
    for _, task in others:
        with pytest.raises(TypeError, match="the options of a job are an object"):
            await ended(task)


@pytest.mark.parametrize(
    ("wait_ms", "timeout_ms", "heartbeat_ms", "excused"),
    [
        (UNEXCUSED_MS + 1, 700, 500, [UNEXCUSED_MS + 501]),
        (UNEXCUSED_MS + 1, 0, 500, [UNEXCUSED_MS + 501]),
        (UNEXCUSED_MS + 1, 700, 0, [UNEXCUSED_MS + 701]),
        (UNEXCUSED_MS + 1, 0, 0, []),
        (UNEXCUSED_MS, 700, 500, []),
    ],
)
async def test_the_store_is_told_of_one_that_waits_for_longer_than_it_would_hear_nothing(
    hall: Hall, wait_ms: int, timeout_ms: int, heartbeat_ms: int, excused: list[int]
) -> None:
    pair = hall.sync(batch=2, batch_wait=f"{wait_ms}ms")
    limits = TimeLimits(0, 0, 0, heartbeat_ms)
    hall.go_on.set()
    (_, one) = hall.enter(pair, 1, timeout_ms=timeout_ms, limits=limits)
    await hall.turn()
    assert hall.excused == excused
    hall.batches.hurry()
    await ended(one)
