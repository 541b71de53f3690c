"""How an engine comes to its jobs: it lies in wait for them, and takes them from queues in their order."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import anyio
import pytest

import jobd
from jobd.catalog import Catalog
from jobd.client import Client
from jobd.domain.queue_order import Order, QueueOrder
from jobd.domain.state import State
from jobd.store import inbox
from jobd.store.shard import BATCH
from tests.roles.parts import PATIENCE_S, Parts
from tests.roles.working import working


async def lies_in_wait(parts: Parts) -> None:
    """Returns once the fetch of the engine stands at the server, behind the word that it listens for."""
    engine = parts.engines[-1]
    with anyio.fail_after(PATIENCE_S):
        while not (engine._lies_in_wait and (heard := engine._membership.inbox) and heard._reading):
            await asyncio.sleep(0.005)
    await asyncio.sleep(0)
    await parts.shard.link.command("PING")


async def test_queues_get_their_share_by_weight(parts: Parts) -> None:
    ran: list[str] = []
    order = QueueOrder(Order.WEIGHTED, ["heavy=6", "light"], random.Random(1).random)

    @jobd.job("weighed")
    async def weighed(ctx: jobd.Context) -> None:
        ran.append(ctx.job.queue)

    client = Client(store=parts.store, catalog=Catalog([weighed]))
    for queue in ("light", "heavy"):
        handles = await client.enqueue_many(weighed, [{}] * 100, queue=queue)
    one_in_each_fetch: dict[str, Any] = {"concurrency": 1, "most_ahead": 0}
    async with working(parts, weighed, lines=("heavy", "light"), next_order=order.next, **one_in_each_fetch):
        for handle in handles:
            await handle.result(PATIENCE_S)
    assert 45 < ran[:70].count("heavy") < 70


async def test_an_idle_worker_has_its_next_job_without_asking_for_it(parts: Parts) -> None:
    @jobd.job("pass")
    async def quick() -> None: ...

    async with working(parts, quick) as client:
        await lies_in_wait(parts)
        await (await client.enqueue(quick)).result(PATIENCE_S)
        await lies_in_wait(parts)
        ran = [await (await client.enqueue(quick)).get() for _ in range(3)]
        # the store hands it over in the same breath in which it is taken in
        assert ran[0].status is not State.WAITING


async def test_a_worker_that_becomes_quiet_while_it_lies_in_wait_is_not_woken_any_more(parts: Parts) -> None:
    parts.catalog = Catalog([])
    engine = parts.engine()
    await engine.start()
    await lies_in_wait(parts)
    await engine.quiet()
    await engine.drain()
    assert await parts.shard.link.command("EXISTS", parts.shard.keys.idle("*")) == 0
    await engine.stop()


async def test_a_job_that_comes_just_as_its_worker_becomes_quiet_is_run_or_given_back(parts: Parts) -> None:
    @jobd.job("pass")
    async def quick() -> None: ...

    parts.catalog = Catalog([quick])
    parts.client = client = Client(store=parts.store, catalog=parts.catalog)
    for steps in range(12):
        engine = parts.engine()
        await engine.start()
        await lies_in_wait(parts)
        enqueuing = asyncio.ensure_future(client.enqueue(quick))
        for _ in range(steps):
            await asyncio.sleep(0)
        await engine.quiet()
        handle = await enqueuing
        await engine.drain()
        assert engine.busy == 0
        job = await handle.get()
        assert (job.status, job.attempt) in ((State.COMPLETED, 1), (State.WAITING, 0))
        await engine.stop()
        await client.cancel(job.id) if job.status is State.WAITING else None


async def test_a_worker_with_many_slots_that_was_woken_fills_all_of_them(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "LISTEN_S", 2 * PATIENCE_S)  # no poll makes up for a fetch that is not made
    inside, all_inside = 0, asyncio.Event()

    @jobd.job("gather")
    async def gather() -> None:
        nonlocal inside
        inside += 1
        if inside == 2 * BATCH:
            all_inside.set()
        await all_inside.wait()

    client = Client(store=parts.store, catalog=Catalog([gather]))
    await client.pause("default")
    await client.enqueue_many(gather, [{}] * 2 * BATCH)
    async with working(parts, gather, concurrency=2 * BATCH):
        await lies_in_wait(parts)
        await client.resume("default")
        with anyio.fail_after(PATIENCE_S):
            await all_inside.wait()


async def test_what_has_ended_is_told_and_the_next_job_taken_without_a_poll(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "LISTEN_S", 2 * PATIENCE_S)
    go_on = asyncio.Event()

    @jobd.job("hold")
    async def hold() -> None:
        await go_on.wait()

    @jobd.job("spawn-one")
    async def spawn_one(ctx: jobd.Context) -> str:
        return (await ctx.enqueue(hold)).id

    async with working(parts, hold, spawn_one, concurrency=2) as client:
        held = await client.enqueue(hold)
        child = await (await client.enqueue(spawn_one)).result(PATIENCE_S)
        go_on.set()
        await held.result(PATIENCE_S)
        await client.wait(child, PATIENCE_S)
        for _ in range(4):
            await (await client.enqueue(hold)).result(PATIENCE_S)


async def test_when_nothing_was_heard_for_a_while_it_looks_for_itself_and_says_so_if_it_has_nothing_to_do(
    parts: Parts,
) -> None:
    idle: list[str] = []
    parts.catalog = Catalog([])
    engine = parts.engine(on_idle=lambda: idle.append("idle"))
    await engine.start()
    await lies_in_wait(parts)
    engine._hear(None)
    assert (idle, engine._look, engine._doubt) == (["idle"], False, False)  # its fetch stands at the server
    engine._lies_in_wait = False
    engine._slots.busy = 1
    engine._hear(None)
    engine._slots.busy = 0
    engine._outbox.let_go("w1", [("j1", 1)])
    engine._hear(None)
    assert (idle, engine._look, engine._due.is_set()) == (["idle"], True, True)
    engine._outbox.clear()
    assert not engine._has_nothing_to_do  # but to look
    await engine.stop()
