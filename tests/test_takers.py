"""Hints: why nobody takes a job that waits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import orjson
import pytest

from jobd.catalog import Catalog
from jobd.client import Client
from jobd.store.aside import types_aside
from jobd.store.store import Store

NO_WORKER = "no worker runs; start `jobd run`"
NO_QUEUE = "no worker that runs serves the queue walls; start one that does: jobd run --role worker"
NO_PLUGIN = "no worker that runs knows the type paint-it; install the plugin where workers run, and start them again"


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Client]:
    async with Client(store=Store.at(redis_url), catalog=Catalog()) as client:
        yield client


async def join(client: Client, name: str, lines: Sequence[str], *, lease_ms: int = 60_000, **about: Any) -> None:
    (shard,) = client.store.shards
    facts = orjson.dumps({"kind": "worker", **about})
    await shard.join(name, lease_ms=lease_ms, lines=lines, about=facts)


async def hints(client: Client) -> tuple[str | None, str | None]:
    """Of a job in a queue, and of the queue."""
    job = await (await client.enqueue("paint-it", {}, queue="walls")).get()
    return await client.hint(job), (await client.queue_hints((await client.queues()).values())).get("walls")


async def test_without_a_worker(client: Client) -> None:
    assert await hints(client) == (NO_WORKER, NO_WORKER)


async def test_a_worker_that_is_dead_is_none(client: Client) -> None:
    await join(client, "dead", ["*"], lease_ms=1)
    while (await client.store.members())[0].alive:
        pass
    assert await hints(client) == (NO_WORKER, NO_WORKER)


async def test_nor_is_one_for_suspects_or_another_role(client: Client) -> None:
    await join(client, "solo", ["!*"], kind="solo")
    await join(client, "scheduler", ["@scheduler"], kind="scheduler")
    assert await hints(client) == (NO_WORKER, NO_WORKER)


async def test_with_workers_of_other_queues_alone(client: Client) -> None:
    await join(client, "w1", ["doors", "wall"], types=["paint-it"])
    assert await hints(client) == (NO_QUEUE, NO_QUEUE)


async def test_with_workers_that_know_other_types_alone(client: Client) -> None:
    await join(client, "w1", ["*"], types=["plaster"])
    await join(client, "w2", ["doors"], types=["paint-it"])
    job_hint, queue_hint = await hints(client)
    assert (job_hint, queue_hint) == (NO_PLUGIN, None)  # no worker has come by yet
    await client.store.shards[0].turn("w1", [], sequence=1, want=5, types=",plaster,")
    assert await hints(client) == (NO_PLUGIN, NO_PLUGIN)


async def test_nor_is_one_that_was_deleted_or_whose_id_another_one_has_now(client: Client) -> None:
    await join(client, "w1", ["*"], types=["plaster"])
    for name in ("a", "b"):
        await client.enqueue("paint-it", {}, queue="walls", id=name)
    await client.store.shards[0].turn("w1", [], sequence=1, want=5, types=",plaster,")
    for name in ("a", "b"):
        await client.remove(name)
    await client.enqueue("plaster", {}, queue="walls", id="b")
    assert await types_aside(client.store.shards[0], "walls") == set()


async def test_a_job_that_has_left_its_place_is_no_reason(client: Client) -> None:
    await join(client, "w1", ["*"], types=["plaster"])
    handle = await client.enqueue("paint-it", {}, queue="walls")
    await client.store.shards[0].turn("w1", [], sequence=1, want=5, types=",plaster,")
    await handle.cancel()
    await client.enqueue("plaster", {}, queue="walls")
    assert await client.queue_hints((await client.queues()).values()) == {}


@pytest.mark.parametrize("about", [{"types": ["paint_it"]}, {}], ids=["knows it", "does not say"])
@pytest.mark.parametrize("lines", [["*"], ["doors", "walls"]])
async def test_with_a_worker_that_takes_it_nothing_is_said(
    client: Client, lines: Sequence[str], about: dict[str, Any]
) -> None:
    await join(client, "w1", lines, **about)
    assert await hints(client) == (None, None)


async def test_of_a_job_that_does_not_wait_nothing_is_said(client: Client) -> None:
    job = await (await client.enqueue("paint-it", {}, queue="walls", delay="1h")).get()
    assert await client.hint(job) is None
    assert await client.queue_hints((await client.queues()).values()) == {}
