"""The limits of time of a job, on a real store: each apart from the others."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import jobd
from jobd.catalog import Catalog
from jobd.client import Client
from jobd.domain.outcome import Ending
from jobd.domain.state import State
from tests.roles.parts import PATIENCE_S, Parts
from tests.roles.working import working


@jobd.job("hang")
async def hang() -> None:
    await asyncio.sleep(PATIENCE_S)


@pytest.mark.parametrize(
    ("options", "state", "error"),
    [
        ({"expires": "5ms"}, State.CANCELLED, None),
        ({"expires": datetime.now(UTC) - timedelta(days=1)}, State.CANCELLED, None),
        ({"deadline": "5ms"}, State.FAILED, "DeadlineExceeded"),
        ({"queue_timeout": "5ms"}, State.FAILED, "QueueTimeout"),
    ],
)
async def test_a_job_that_is_fetched_too_late_ends_without_running(
    parts: Parts, options: dict[str, Any], state: State, error: str | None
) -> None:
    ran: list[str] = []

    @jobd.job("note")
    async def note() -> None:
        ran.append("it")

    # before there is a worker
    handle = await Client(store=parts.store, catalog=Catalog([note])).enqueue(note, {}, **options)
    while (await parts.shard.now_us()) / 1_000 < (await handle.get()).created_at.timestamp() * 1_000 + 10:
        pass
    async with working(parts, note, monitor=False) as client:
        job = await client.wait(handle.id, PATIENCE_S)
        assert ran == []
        if "queue_timeout" not in options:
            await client.retry(handle.id)
            assert (await client.wait(handle.id, PATIENCE_S)).status is State.COMPLETED
    assert (job.status, job.attempt) == (state, 0)
    assert [attempt.outcome for attempt in job.attempts] == [Ending.EXPIRED]
    assert (job.error or {}).get("type") == error
    assert job.reason


async def test_a_running_attempt_is_stopped_at_the_deadline_and_not_tried_again(parts: Parts) -> None:
    async with working(parts, hang) as client:
        handle = await client.enqueue(hang, {}, deadline="1s", timeout="1m")
        job = await client.wait(handle.id, PATIENCE_S)
    assert (job.status, job.attempt) == (State.FAILED, 1)
    assert [attempt.outcome for attempt in job.attempts] == [Ending.TIMED_OUT]
    assert job.error is not None
    assert (job.error["type"], job.error["message"]) == ("DeadlineExceeded", "it was not done when its deadline passed")


@pytest.mark.parametrize("how", ["raise", "snooze"])
async def test_an_attempt_that_would_come_after_the_deadline_is_not_waited_for(parts: Parts, how: str) -> None:
    @jobd.job("give-up", backoff="2h")
    async def give_up() -> None:
        if how == "snooze":
            raise jobd.Snooze(after="2h")
        raise ValueError("not yet")

    async with working(parts, give_up) as client:
        handle = await client.enqueue(give_up, {}, deadline="1h")
        job = await client.wait(handle.id, PATIENCE_S)
    assert job.status is State.FAILED
    assert job.reason == "its next attempt would come after its deadline"
    assert (job.error or {}).get("message") == ("not yet" if how == "raise" else None)


async def test_a_handler_that_is_silent_has_failed_and_one_that_says_something_goes_on(parts: Parts) -> None:
    @jobd.job("speak", heartbeat_timeout="1s", max_attempts=1)
    async def speak(ctx: jobd.Context, how: str) -> str:
        for _ in range(600 if how == "silence" else 12):
            await asyncio.sleep(0.1)
            if how == "heartbeat":
                await ctx.heartbeat()
            if how == "progress":
                await ctx.progress(1)
        return how

    @jobd.job("speak-sync", heartbeat_timeout="1s", max_attempts=1)
    def speak_sync(ctx: jobd.SyncContext) -> str:
        for _ in range(12):
            time.sleep(0.1)
            ctx.heartbeat()
        return "sync"

    async with working(parts, speak, speak_sync) as client:
        silent, heartbeat, progress = await client.enqueue_many(
            speak, [{"how": how} for how in ("silence", "heartbeat", "progress")]
        )
        in_thread = await client.enqueue(speak_sync, {})
        assert await heartbeat.result(PATIENCE_S) == "heartbeat"
        assert await progress.result(PATIENCE_S) == "progress"
        assert await in_thread.result(PATIENCE_S) == "sync"
        job = await client.wait(silent.id, PATIENCE_S)
    assert (job.status, job.attempts[0].outcome) == (State.FAILED, Ending.TIMED_OUT)
    assert (job.error or {})["message"] == "the handler was not heard of for more than 1 s"


async def test_a_heartbeat_does_not_move_the_timeout_and_an_extension_does(parts: Parts) -> None:
    @jobd.job("work", timeout="1s", max_attempts=1)
    async def work(ctx: jobd.Context, extend: bool) -> str:
        for _ in range(12 if extend else 600):
            await asyncio.sleep(0.1)
            if extend:
                await ctx.extend("900ms")
            else:
                await ctx.heartbeat()
        return "done"

    async with working(parts, work) as client:
        beating, extending = await client.enqueue_many(work, [{"extend": False}, {"extend": True}])
        assert await extending.result(PATIENCE_S) == "done"
        assert (await client.wait(beating.id, PATIENCE_S)).status is State.FAILED


async def test_an_extension_that_is_no_duration_is_refused(parts: Parts) -> None:
    @jobd.job("work", max_attempts=1)
    async def work(ctx: jobd.Context) -> None:
        await ctx.extend("soon")

    async with working(parts, work) as client:
        job = await client.wait((await client.enqueue(work, {})).id, PATIENCE_S)
    assert (job.error or {})["message"].startswith("extend: 'soon' is not a duration")


async def test_jobs_that_nobody_fetches_are_swept(parts: Parts) -> None:
    async with working(parts, hang) as client:
        kept = await client.enqueue("nobody-runs-this", {}, queue="empty")
        swept = await client.enqueue("nobody-runs-this", {}, queue="empty", expires="10ms")
        assert (await client.wait(swept.id, PATIENCE_S)).status is State.CANCELLED
        assert await kept.status() is State.WAITING
