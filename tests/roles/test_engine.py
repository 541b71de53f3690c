"""The engine in this process, on a real store: what handlers may do to it, and what it does then."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import anyio
import pytest

import jobd
from jobd.catalog import Catalog
from jobd.client import Client
from jobd.domain.outcome import Ending
from jobd.domain.state import State
from jobd.roles.worker.engine import Engine
from jobd.store.scripts import load
from jobd.store.settlement import Settlement
from jobd.store.shard import Shard
from tests.real_server import RealServer
from tests.roles.parts import PATIENCE_S, Parts
from tests.roles.until import until
from tests.roles.working import working


async def test_a_cancellation_that_a_handler_leaves_behind_does_not_reach_the_next_one(parts: Parts) -> None:
    @jobd.job("rude")
    async def rude(deaf: bool) -> str:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()  # arrives at the next await, which is not ours any more
        if deaf:
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                return "swallowed"
        return "left behind"

    @jobd.job("polite")
    async def polite() -> str:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(0.001))
        with anyio.move_on_after(0.01):
            await anyio.sleep(10)
        async with asyncio.timeout(10):
            await asyncio.sleep(0.001)
        return "well"

    async with working(parts, rude, polite, concurrency=1) as client:
        for deaf in (True, False):
            result = await (await client.enqueue(rude, {"deaf": deaf})).result(PATIENCE_S)
            assert result == ("swallowed" if deaf else "left behind")
            for _ in range(3):
                assert await (await client.enqueue(polite, {})).result(PATIENCE_S) == "well"


async def test_an_engine_that_has_lost_its_lease_starts_again_and_is_not_believed_about_before(parts: Parts) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    @jobd.job("contested", max_attempts=1)
    async def contested(ctx: jobd.Context) -> int:
        if ctx.job.deliveries == 1:
            begun.set()
            try:
                await go_on.wait()
            except asyncio.CancelledError:
                return 1  # a zombie that is sure of its work
        return 2

    async with working(parts, contested) as client:
        handle = await client.enqueue(contested, {})
        await begun.wait()
        (before,) = await client.workers()
        await parts.shard.leave(before.id, "")  # as if its lease had run out
        # a suspect now, for which only an engine for suspects will do
        suspects = parts.membership("solo", ["!*"])
        solo = Engine(suspects, client, parts.catalog, {}, concurrency=1, threads=1)
        await solo.start()
        assert await handle.result(PATIENCE_S) == 2
        await solo.stop()
        job = await handle.get()
        assert [attempt.outcome for attempt in job.attempts] == [Ending.LOST, Ending.RETURNED]
        # it works on under another name, and what it said about the time before has changed nothing
        begun.clear()
        other = await client.enqueue(contested, {}, id="another")
        await begun.wait()
        assert (await other.get()).worker not in (None, before.id)
        assert await handle.get() == job
        go_on.set()
        assert await other.result(PATIENCE_S) == 2


async def test_an_interrupted_handler_may_clean_up_and_its_job_is_back(parts: Parts) -> None:
    cleaned: list[str] = []
    begun = asyncio.Event()

    @jobd.job("tidy")
    async def tidy() -> None:
        try:
            begun.set()
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            cleaned.append("yes")

    async with working(parts, tidy) as client:
        handle = await client.enqueue(tidy, {})
        await begun.wait()
    job = await client.get(handle.id)
    assert cleaned == ["yes"]
    assert (job.status, job.attempt, job.attempts[0].outcome) == (State.WAITING, 0, Ending.INTERRUPTED)


async def test_a_job_that_has_ended_is_not_given_back_because_its_lines_are_still_on_their_way(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushing = asyncio.Event()

    async def flush(ctx: jobd.Context) -> None:
        flushing.set()
        await asyncio.Event().wait()

    @jobd.job("chatty")
    async def chatty(ctx: jobd.Context) -> str:
        ctx.log.info("done")
        return "done"

    monkeypatch.setattr(jobd.Context, "flush", flush)
    async with working(parts, chatty) as client:
        handle = await client.enqueue(chatty)
        await flushing.wait()
    job = await client.get(handle.id)
    assert (job.status, job.result) == (State.COMPLETED, "done")


async def test_a_drain_waits_for_the_answer_to_what_is_on_its_way_to_the_store(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent, may_pass = asyncio.Event(), asyncio.Event()
    turn = Shard.turn

    async def slow(self: Shard, member: str, settlements: Sequence[Settlement], **how: Any) -> Any:
        if settlements:
            sent.set()
            await may_pass.wait()
        return await turn(self, member, settlements, **how)

    @jobd.job("noop")
    async def noop() -> None: ...

    monkeypatch.setattr(Shard, "turn", slow)
    parts.catalog = Catalog([noop])
    parts.client = client = Client(store=parts.store, catalog=parts.catalog)
    engine = parts.engine()
    await engine.start()
    handle = await client.enqueue(noop, {})
    await sent.wait()
    draining = asyncio.create_task(engine.drain())
    await client.get(handle.id)  # it has had its time to look, and to be wrong
    assert not draining.done()
    may_pass.set()
    await draining
    assert (await handle.status()) is State.COMPLETED
    await engine.stop()


async def test_a_word_to_cancel_that_was_lost_with_its_connection_is_made_up_for(
    parts: Parts, session_server: RealServer
) -> None:
    begun = asyncio.Event()

    @jobd.job("patient")
    async def patient() -> None:
        begun.set()
        await asyncio.Event().wait()

    async with working(parts, patient) as client:
        handle = await client.enqueue(patient, {})
        await begun.wait()
        (member,) = await client.workers()
        script, keys = load("cancel"), parts.shard.keys
        words = ["", keys.base, 1_000, b"", handle.id]
        inbox = keys.inbox(member.id)
        with session_server.client() as outside:

            def listeners() -> list[str]:
                return [line["id"] for line in outside.client_list() if line["cmd"] == "blpop"]

            await until(lambda: len(listeners()) == 3)  # the worker, the scheduler, the monitor
            # the word is left and gets lost, and so do the connections on which it might have come
            lost = outside.pipeline(transaction=True)
            lost.fcall(script.function, len(script.keys), *keys.all_fixed(script.keys), *words)
            lost.delete(inbox)
            for listener in listeners():
                lost.client_kill_filter(_id=listener)
            asked, deleted, *_ = lost.execute()
        assert (asked, deleted) == ([b"asked"], 1)
        assert (await client.wait(handle.id, PATIENCE_S)).status == State.CANCELLED
