"""Jobs that are accepted only when a replica has them too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

import jobd
from jobd.catalog import Catalog
from jobd.errors import ClientClosed, StoreFull, StoreUnavailable
from jobd.settings import Settings
from jobd.store.shard import BATCH
from jobd.store.store import Store
from tests.servers.tcp_server import TcpServer
from tests.servers.wait import wait
from tests.store.hands import new_job


@pytest.fixture
def primary(server_binary: Path) -> Iterator[TcpServer]:
    with TcpServer(server_binary) as server:
        yield server


@pytest.fixture
def replica(server_binary: Path, primary: TcpServer) -> Iterator[TcpServer]:
    with TcpServer(server_binary, f"replicaof 127.0.0.1 {primary.port}") as server:
        with server.client() as client:
            wait(lambda: client.info("replication")["master_link_status"] == "up")
        yield server


@pytest.fixture
async def client(primary: TcpServer) -> AsyncIterator[jobd.Client]:
    settings = Settings.model_validate(
        {"redis_url": f"redis://{primary.place}/0", "queues": {"dear": {"durability": "replica"}}}
    )
    async with jobd.Client(settings=settings, catalog=Catalog()) as client:
        yield client


@pytest.fixture
async def cleanup() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


def ids_at(server: TcpServer) -> set[str]:
    with server.client() as client:
        return {name.decode() for name in client.hkeys("{jobd:0}:jobs")}


async def test_the_answer_says_who_has_the_job(client: jobd.Client, replica: TcpServer) -> None:
    plain = await client.enqueue("noop", {}, queue="default")
    assert plain.durability == "server"
    for job in (
        await client.enqueue("noop", {}, queue="default", durability="replica"),
        await client.enqueue("noop", {}, queue="dear"),
    ):
        assert job.durability == "replica"
        assert job.created
    waived = await client.enqueue("noop", {}, queue="dear", durability="server")
    assert waived.durability == "server"


async def test_what_was_accepted_so_is_at_the_replica_whenever_the_server_dies(
    client: jobd.Client, primary: TcpServer, replica: TcpServer
) -> None:
    accepted: list[str] = []

    async def produce(number: int) -> None:
        for at in range(1_000):
            await client.enqueue("noop", {}, queue="dear", id=f"j{number}-{at}")
            accepted.append(f"j{number}-{at}")

    producing = [asyncio.create_task(produce(number)) for number in range(5)]
    async with asyncio.timeout(120):
        while len(accepted) < 300:
            await asyncio.sleep(0)
    primary.stop()
    for task in producing:
        task.cancel()
    await asyncio.wait(producing)
    assert set(accepted) <= ids_at(replica)


@pytest.mark.parametrize("count", [2, BATCH, 2 * BATCH + 1])
async def test_many_at_once(client: jobd.Client, replica: TcpServer, count: int) -> None:
    with replica.client() as at_replica:
        at_replica.config_set("repl-timeout", 60)
    jobs = await client.enqueue_many("noop", [{}] * count, queue="dear")
    assert {job.id for job in jobs} <= ids_at(replica)


async def test_scripts_that_the_server_forgot_are_sent_again(
    client: jobd.Client, primary: TcpServer, replica: TcpServer
) -> None:
    for _ in range(3):
        with primary.client() as outside:
            outside.function_flush("SYNC")
        job = await client.enqueue("noop", {}, queue="dear")
        assert job.id in ids_at(replica)


async def test_without_a_replica_that_answers_it_is_unknown_and_safe_to_ask_again(
    primary: TcpServer, replica: TcpServer, cleanup: AsyncExitStack
) -> None:
    store = Store.at(f"redis://{primary.place}/0")
    cleanup.push_async_callback(store.close)
    job = new_job("dear")._replace(replicated=True)
    replica.freeze()
    with pytest.raises(StoreUnavailable, match=r"no replica has confirmed.*unknown whether it took effect"):
        await store.enqueue([job], patience_s=4.0)  # more than two waits: one for a script that is not known yet
    assert ids_at(primary) == {"dear"}
    replica.thaw()
    # a repeat writes nothing, and is answered all the same only when the replica has what was written before
    assert await store.enqueue([job]) == [False]
    assert ids_at(replica) == {"dear"}


async def test_a_large_batch_is_not_answered_before_a_replica_has_it(
    primary: TcpServer, replica: TcpServer, cleanup: AsyncExitStack
) -> None:
    store = Store.at(f"redis://{primary.place}/0")
    cleanup.push_async_callback(store.close)
    await store.check()
    replica.freeze()
    jobs = [new_job()._replace(replicated=True) for _ in range(2 * BATCH + 1)]
    with pytest.raises(StoreUnavailable, match="no replica has confirmed"):
        await store.enqueue(jobs, patience_s=3.0)
    replica.thaw()


async def test_a_full_server_refuses_what_a_replica_is_to_have_on_the_one_connection_for_that(
    primary: TcpServer, replica: TcpServer
) -> None:
    store = Store.at(f"redis://{primary.place}/0")
    job, link = new_job("dear")._replace(replicated=True), store.shards[0].link
    assert await store.enqueue([job]) == [True]
    apart = link._apart
    assert apart is not None
    with primary.client() as outside:
        outside.config_set("maxmemory", 1)
        with pytest.raises(StoreFull):
            await store.enqueue([new_job()._replace(replicated=True)])
    assert link._apart is apart
    await store.close()
    with pytest.raises(ClientClosed):
        await apart.command("PING")


async def test_others_do_not_wait_for_a_replica(client: jobd.Client, replica: TcpServer) -> None:
    replica.freeze()
    waiting = asyncio.create_task(client.enqueue("noop", {}, queue="dear"))
    await asyncio.sleep(0.05)
    await client.enqueue("noop", {}, queue="default")
    assert not waiting.done()
    replica.thaw()
    assert (await waiting).created
