"""Plugins are told of every ending that is made here: by the worker, by the monitor, by a client that cancels."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jobd.client import Client
from jobd.domain.job import Job
from jobd.domain.levels import Levels
from jobd.domain.state import State
from jobd.roles.reaper import Reaper
from jobd.roles.verdicts import Verdicts
from jobd.store.store import Store
from tests.plugin_shelf import PluginShelf
from tests.roles.parts import PATIENCE_S, Parts

PLUGIN = """
seen = []
@jobd.job("add")
async def add(a: int) -> int:
    return a + 1
@jobd.hookimpl
def jobd_job_types(): return [add]
@jobd.hookimpl
def jobd_job_settled(job): seen.append(job)
"""


@pytest.fixture
async def seen(parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[Job]]:
    """What the plugin was told; the client has loaded it."""
    shelf = PluginShelf(tmp_path, monkeypatch)
    shelf.put("watching", PLUGIN)
    parts.catalog = shelf.catalog()
    async with Client(store=Store.at(parts.store.url), catalog=parts.catalog) as parts.client:
        yield sys.modules["shelf_watching"].seen


async def test_a_worker_tells_of_the_jobs_it_ended_some_at_a_time_and_of_the_last_ones_too(
    parts: Parts, seen: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int] = []
    shard = parts.client.store.shards[0]
    get = shard.get

    async def counted(ids: list[str]) -> list[Job | None]:
        reads.append(len(ids))
        return await get(ids)

    monkeypatch.setattr(shard, "get", counted)
    engine = parts.engine(concurrency=50)
    handles = await parts.client.enqueue_many("add", [{"a": number} for number in range(100)])
    await engine.start()
    for handle in handles:
        while await parts.shard.watch(handle.id, "nobody") != "ended":
            pass
    await engine.stop()
    await parts.client.observers.drain()
    assert sorted(job.result for job in seen) == list(range(1, 101))
    assert {job.status for job in seen} == {State.COMPLETED}
    assert len(reads) <= 100 / 4


async def test_a_client_that_is_closed_tells_what_it_knows_before(parts: Parts, seen: list[Job]) -> None:
    async with Client(store=Store.at(parts.store.url), catalog=parts.catalog) as client:
        handle = await client.enqueue("add", {"a": 1}, delay="1h")
        await parts.store.cancel(handle.id, {})  # by a process that does not tell
        client.observers.ended([handle.id, "gone since"])
    assert [job.id for job in seen] == [handle.id]


async def test_the_monitor_tells_of_the_jobs_it_ended(parts: Parts, seen: list[Job]) -> None:
    reaper = Reaper(
        parts.membership("monitor", ["@monitor"]),
        Verdicts(parts.catalog, Levels()),
        report=parts.report,
        on_settled=parts.client.observers.settled,
    )
    dead = parts.membership("solo", ["!*"])
    first = parts.membership()
    handle = await parts.client.enqueue("add", {"a": 1})
    await first.join()
    await parts.shard.turn(first.id, [], sequence=1, want=1, types=",add,")
    await parts.shard.leave(first.id, "killed by SIGKILL")
    await reaper.start()
    for _ in range(3):
        await reaper.settle_lost()
        await dead.join()
        await parts.shard.turn(dead.id, [], sequence=1, want=1, types=",add,")
        await parts.shard.leave(dead.id, "killed by SIGKILL")
    job = await parts.client.wait(handle.id, PATIENCE_S)
    await reaper.stop()
    await parts.client.observers.drain()
    assert seen == [job]
    assert (job.error or {})["type"] == "Poison"


async def test_a_client_tells_once_of_the_job_it_cancelled_before_it_ran(parts: Parts, seen: list[Job]) -> None:
    handle = await parts.client.enqueue("add", {"a": 1})
    job = await handle.cancel("changed my mind")
    assert seen == [job]
    assert job.finished_at is not None
    shard = parts.client.store.shards[0]  # by whose clock it tells whether a call has ended a job
    while await shard.now_us() < job.finished_at.timestamp() * 1e6 + 1_000:
        pass
    assert (await handle.cancel()).status is State.CANCELLED
    assert len(seen) == 1


async def test_what_was_retried_since_has_not_ended(parts: Parts, seen: list[Job]) -> None:
    handle = await parts.client.enqueue("add", {"a": 1}, delay="1h")
    await parts.store.cancel(handle.id, {})
    await handle.retry()
    parts.client.observers.ended([handle.id])
    await parts.client.observers.drain()
    assert seen == []
