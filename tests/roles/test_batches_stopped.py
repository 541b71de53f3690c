"""Batches whose jobs are cancelled, time out or are interrupted, and workers that stop with some."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress

import anyio

import jobd
from jobd.catalog import Catalog
from jobd.client import Client
from jobd.domain.outcome import Ending
from jobd.domain.state import State
from tests.roles.batch_jobs import Doc, docs, ended
from tests.roles.parts import PATIENCE_S, Parts
from tests.roles.working import working


async def test_a_job_that_is_cancelled_leaves_its_batch_and_the_others_go_on(parts: Parts) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    cancelled: list[bool] = []

    @jobd.job("patient", batch=2, batch_wait="1h")
    async def patient(contexts: list[jobd.Context], items: list[Doc]) -> list[int]:
        begun.set()
        await go_on.wait()
        cancelled.extend(ctx.cancelled for ctx in contexts)
        return [1, 2]

    async with working(parts, patient) as client:
        one, other = await client.enqueue_many(patient, docs(2))
        await begun.wait()
        await one.cancel()
        assert (await ended(one)).status == State.CANCELLED
        assert await other.status() == State.ACTIVE
        go_on.set()
        assert await other.result(PATIENCE_S) == 2
    assert cancelled == [True, False]


async def test_when_all_its_jobs_are_stopped_the_handler_is_and_may_clean_up_first(parts: Parts) -> None:
    cleaning, cleaned = asyncio.Event(), asyncio.Event()

    @jobd.job("endless", batch=2, batch_wait="1h", timeout="100ms", max_attempts=1)
    async def endless(items: list[Doc]) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaning.set()
            await cleaned.wait()

    @jobd.job("probe")
    async def probe() -> None: ...

    async with working(parts, endless, probe) as client:
        handles = await client.enqueue_many(endless, docs(2))
        with anyio.fail_after(PATIENCE_S):
            await cleaning.wait()
        # what had ended before would be settled with it
        await (await client.enqueue(probe)).result(PATIENCE_S)
        assert State.ACTIVE in [await handle.status() for handle in handles]
        cleaned.set()
        for handle in handles:
            job = await ended(handle)
            assert (job.status, job.attempts[0].outcome) == (State.FAILED, Ending.TIMED_OUT)


async def test_a_job_that_is_cancelled_while_it_waits_for_others_is_never_called(parts: Parts) -> None:
    called: list[int] = []

    @jobd.job("gathered", batch=2, batch_wait="1h")
    async def gathered(items: list[Doc]) -> None:
        called.extend(item.number for item in items)

    async with working(parts, gathered) as client:
        first = await client.enqueue(gathered, Doc(number=1))
        while await first.status() != State.ACTIVE:
            await asyncio.sleep(0.01)
        await first.cancel()
        assert (await ended(first)).status == State.CANCELLED
        for handle in await client.enqueue_many(gathered, [Doc(number=2), Doc(number=3)]):
            await handle.result(PATIENCE_S)
    assert sorted(called) == [2, 3]


async def test_sync_handlers_are_told_and_a_timeout_leaves_them_behind(parts: Parts) -> None:
    begun = threading.Event()

    @jobd.job("threaded", batch=2, batch_wait="1h", max_attempts=1)
    def threaded(contexts: list[jobd.SyncContext], items: list[Doc]) -> list[int]:
        begun.set()
        while not all(ctx.cancelled for ctx in contexts):
            time.sleep(0.01)
        return [item.number for item in items]

    async with working(parts, threaded) as client:
        one = await client.enqueue(threaded, Doc(number=1))
        late = await client.enqueue(threaded, Doc(number=2), timeout="100ms")
        assert (await ended(late)).attempts[0].outcome == Ending.TIMED_OUT
        assert begun.is_set()
        assert await one.status() == State.ACTIVE
        await one.cancel()
        # it was told, and had a result all the same
        assert await one.result(PATIENCE_S) == 1


async def test_a_worker_that_stops_calls_what_it_has_and_waits_for_no_more(parts: Parts) -> None:
    sizes: list[int] = []

    @jobd.job("last", batch=5, batch_wait="1h")
    async def last(items: list[Doc]) -> None:
        sizes.append(len(items))

    parts.catalog = Catalog([last])
    parts.client = Client(store=parts.store, catalog=parts.catalog)
    engine = parts.engine()
    await engine.start()
    with anyio.fail_after(PATIENCE_S):
        for handle in await parts.client.enqueue_many(last, docs(2)):
            while await handle.status() != State.ACTIVE:
                await asyncio.sleep(0.01)
        await engine.quiet()
        await engine.drain()
    await engine.stop()
    assert sizes == [2]


async def test_an_interrupted_batch_is_given_back_whole(parts: Parts) -> None:
    begun = asyncio.Event()

    @jobd.job("broken-off", batch=2, batch_wait="1h")
    async def broken_off(items: list[Doc]) -> None:
        begun.set()
        await asyncio.Event().wait()

    async with working(parts, broken_off) as client:
        handles = await client.enqueue_many(broken_off, docs(2))
        await begun.wait()
    for handle in handles:
        job = await client.get(handle.id)
        assert (job.status, job.attempt, job.attempts[0].outcome) == (State.WAITING, 0, Ending.INTERRUPTED)


async def test_a_batch_that_swallows_its_cancellation_is_given_back_all_the_same(parts: Parts) -> None:
    begun = asyncio.Event()

    @jobd.job("stubborn", batch=2, batch_wait="1h")
    async def stubborn(items: list[Doc]) -> None:
        begun.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    async with working(parts, stubborn) as client:
        handles = await client.enqueue_many(stubborn, docs(2))
        await begun.wait()
    for handle in handles:
        assert (await client.get(handle.id)).status == State.WAITING
