"""Handlers that take several jobs in one call: which ones, how each of them ends, and what stops them."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter

import anyio
import pytest

import jobd
from jobd.domain.outcome import Ending
from jobd.domain.state import State
from jobd.errors import StoreUnavailable
from jobd.roles.worker import batches
from jobd.roles.worker.runner import Runner
from jobd.roles.worker.running import Running
from tests.roles.batch_jobs import Doc, Doubled, docs, ended
from tests.roles.parts import PATIENCE_S, Parts
from tests.roles.working import working


async def test_a_full_batch_is_called_at_once_and_each_job_has_its_own_result(parts: Parts) -> None:
    sizes: list[int] = []

    @jobd.job("double", batch=4, batch_wait="1h")
    async def double(items: list[Doc]) -> list[Doubled]:
        sizes.append(len(items))
        return [Doubled(number=2 * item.number) for item in items]

    async with working(parts, double) as client:
        with anyio.fail_after(PATIENCE_S):
            handles = await client.enqueue_many(double, docs(8))
            assert [(await handle.result(PATIENCE_S)).number for handle in handles] == [0, 2, 4, 6, 8, 10, 12, 14]
    assert sizes == [4, 4]


async def test_a_batch_that_is_not_full_is_called_when_its_first_job_has_waited(parts: Parts) -> None:
    @jobd.job("count", batch=100, batch_wait="50ms")
    def count(items: list[Doc]) -> int:
        return len(items)

    async with working(parts, count) as client:
        handles = await client.enqueue_many(count, docs(3))
        # what is no list is the result of each
        assert [await handle.result(PATIENCE_S) for handle in handles] == [3, 3, 3]


async def test_a_job_that_waits_long_for_others_is_not_taken_away_meanwhile(parts: Parts) -> None:
    @jobd.job("rare", batch=2, batch_wait="1h", timeout="1s", heartbeat_timeout="500ms")
    async def rare(items: list[Doc]) -> int:
        return len(items)

    async with working(parts, rare) as client:
        first = await client.enqueue(rare, Doc(number=0))
        shard = client.store.shards[0]
        left_s = 0.0
        with anyio.fail_after(PATIENCE_S):
            while left_s < 3_600:
                worker = (await first.get()).worker
                if worker is not None:
                    deadline = await shard.link.command("ZSCORE", shard.keys.held(worker), first.id)
                    left_s = float(deadline) / 1_000 - (await shard.now_us()) / 1e6
        assert left_s < 3_600 + 0.5 + 15 + 1  # the store reckons in milliseconds
        other = await client.enqueue(rare, Doc(number=1))
        assert [await first.result(PATIENCE_S), await other.result(PATIENCE_S)] == [2, 2]


async def test_a_job_that_cannot_be_excused_is_given_back_and_spends_no_attempt(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    @jobd.job("rare", batch=2, batch_wait="1h", timeout="1s", max_attempts=1)
    async def rare(items: list[Doc]) -> int:
        return len(items)

    refused: list[str] = []
    excuse = Runner._excuse

    async def refuse(runner: Runner, running: Running, ms: int) -> None:
        if not refused:
            refused.append(running.delivery.id)
            raise StoreUnavailable("no answer came")
        await excuse(runner, running, ms)

    monkeypatch.setattr(Runner, "_excuse", refuse)
    async with working(parts, rare) as client:
        handles = await client.enqueue_many(rare, docs(2))
        for handle in handles:
            assert await handle.result(PATIENCE_S) == 2
            assert (await handle.get()).attempt == 1
    assert len(refused) == 1


async def test_a_job_whose_deadline_would_pass_meanwhile_does_not_wait_for_others(parts: Parts) -> None:
    @jobd.job("hasty", batch=2, batch_wait="1h")
    async def hasty(items: list[Doc]) -> int:
        return len(items)

    async with working(parts, hasty) as client:
        job = await client.enqueue(hasty, Doc(number=0), deadline="30m")
        assert await job.result(PATIENCE_S) == 1


async def test_no_batch_waits_for_more_jobs_than_its_worker_has_slots(parts: Parts) -> None:
    @jobd.job("count", batch=100, batch_wait="1h")
    async def count(items: list[Doc]) -> int:
        return len(items)

    async with working(parts, count, concurrency=3) as client:
        with anyio.fail_after(PATIENCE_S):
            handles = await client.enqueue_many(count, docs(6))
            assert {await handle.result(PATIENCE_S) for handle in handles} == {3}


async def test_each_job_ends_as_its_entry_in_the_list_says(parts: Parts) -> None:
    @jobd.job("mixed-fates", batch=5, batch_wait="1h", max_attempts=2, backoff="1h", on_error={KeyError: jobd.Fail})
    async def fates(items: list[Doc]) -> list[int | Exception]:
        assert [item.number for item in items] == [0, 1, 2, 3, 4]
        return [1, ValueError("no"), jobd.Fail("never"), jobd.Snooze("later", after="1h"), KeyError("gone")]

    async with working(parts, fates) as client:
        handles = await client.enqueue_many(fates, docs(5))
        assert await handles[0].result(PATIENCE_S) == 1
        jobs = [await handle.get() for handle in handles]
    assert [job.status for job in jobs] == [
        State.COMPLETED,
        State.DELAYED,
        State.FAILED,
        State.DELAYED,
        State.FAILED,
    ]
    assert [job.attempt for job in jobs] == [1, 1, 1, 0, 1]
    errors = [job.attempts[0].error for job in jobs[1:3]]
    assert [error and (error.get("type"), error.get("message")) for error in errors] == [
        ("ValueError", "no"),
        ("Fail", "never"),
    ]


async def test_what_a_handler_raises_is_how_each_of_its_jobs_ends(parts: Parts) -> None:
    calls: list[int] = []

    @jobd.job("shaky", batch=3, batch_wait="200ms", max_attempts=2, backoff="1ms")
    async def shaky(contexts: list[jobd.Context], items: list[Doc]) -> None:
        calls.extend(ctx.attempt for ctx in contexts)
        if contexts[0].attempt == 1:
            raise OSError("down")

    async with working(parts, shaky) as client:
        for handle in await client.enqueue_many(shaky, docs(3)):
            await handle.result(PATIENCE_S)
            job = await handle.get()
            assert [attempt.outcome for attempt in job.attempts] == [Ending.RAISED, Ending.RETURNED]
    assert Counter(calls) == {1: 3, 2: 3}


async def test_a_list_of_another_length_fails_all_and_says_so(parts: Parts) -> None:
    @jobd.job("short", batch=2, batch_wait="1h")
    async def short(items: list[Doc]) -> list[int]:
        return [1]

    async with working(parts, short) as client:
        for handle in await client.enqueue_many(short, docs(2)):
            job = await ended(handle)
            assert job.status == State.FAILED
            assert job.error is not None
            assert job.error["message"].startswith("the handler returned a list of 1 for a batch of 2")


async def test_a_payload_that_cannot_be_read_fails_alone(parts: Parts) -> None:
    @jobd.job("read", batch=2, batch_wait="50ms")
    async def read(items: list[Doc]) -> list[int]:
        return [item.number for item in items]

    async with working(parts, read) as client:
        # a producer that does not have the plugin can enqueue anything
        stranger = jobd.Client(store=parts.store)
        good, bad = await client.enqueue(read, Doc(number=7)), await stranger.enqueue("read", {"number": "x"})
        assert await good.result(PATIENCE_S) == 7
        assert (await ended(bad)).status == State.FAILED


async def test_groups_are_kept_apart_unless_the_type_mixes_them(parts: Parts) -> None:
    seen: dict[str, list[set[str | None]]] = {"apart": [], "together": []}

    @jobd.job("apart", batch=4, batch_wait="300ms")
    async def apart(contexts: list[jobd.Context], items: list[Doc]) -> None:
        seen["apart"].append({ctx.job.group for ctx in contexts})

    @jobd.job("together", batch=4, batch_wait="1h", batch_mixed=True)
    async def together(contexts: list[jobd.Context], items: list[Doc]) -> None:
        seen["together"].append({ctx.job.group for ctx in contexts})

    async with working(parts, apart, together) as client:
        for job_type in (apart, together):
            handles = [await client.enqueue(job_type, doc, group=f"t{doc.number % 2}") for doc in docs(4)]
            for handle in handles:
                await handle.result(PATIENCE_S)
    assert all(len(groups) == 1 for groups in seen["apart"])
    assert set.union(*seen["apart"]) == {"t0", "t1"}
    assert seen["together"] == [{"t0", "t1"}]


async def test_each_job_has_a_context_of_its_own(parts: Parts) -> None:
    @jobd.job("child")
    async def child(number: int) -> int:
        return number

    @jobd.job("speak", batch=2, batch_wait="1h")
    async def speak(contexts: list[jobd.Context], items: list[Doc]) -> list[int | Exception]:
        for ctx, item in zip(contexts, items, strict=True):
            await ctx.progress(item.number, 10)
            await ctx.enqueue(child, {"number": item.number}, id=f"child-{item.number}")
        return [1, jobd.Fail("not this one")]

    async with working(parts, speak, child) as client:
        one, other = await client.enqueue_many(speak, docs(2))
        await one.result(PATIENCE_S)
        jobs = [await ended(one), await ended(other)]
        assert [job.progress and job.progress.done for job in jobs] == [0, 1]
        # that job has failed, and what it enqueued never was
        assert [job.id for job in (await client.list(type="child")).jobs] == ["child-0"]


async def test_the_time_that_a_job_waits_for_others_is_not_that_of_its_timeout(parts: Parts) -> None:
    @jobd.job("brief", batch=2, batch_wait="400ms", timeout="200ms", max_attempts=1)
    async def brief(items: list[Doc]) -> str:
        return "in time"

    async with working(parts, brief) as client:
        assert await (await client.enqueue(brief, Doc(number=1))).result(PATIENCE_S) == "in time"


async def test_a_batch_for_which_no_thread_is_free_goes_back_with_no_attempt_spent(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "WAIT_FOR_THREAD_S", 0.05)
    go_on = threading.Event()

    @jobd.job("one-thread", batch=2, batch_wait="1h", max_attempts=1)
    def one_thread(items: list[Doc]) -> int:
        go_on.wait(PATIENCE_S)
        return len(items)

    async with working(parts, one_thread, threads=1) as client:
        handles = await client.enqueue_many(one_thread, docs(4))
        back: list[jobd.Job] = []
        while len(back) != 2:
            await asyncio.sleep(0.01)
            jobs = [await handle.get() for handle in handles]
            back = [job for job in jobs if job.status == State.WAITING and job.attempts]
        assert [(job.attempt, job.attempts[0].outcome) for job in back] == [(0, Ending.INTERRUPTED)] * 2
        go_on.set()
        assert [await handle.result(PATIENCE_S) for handle in handles] == [2] * 4
