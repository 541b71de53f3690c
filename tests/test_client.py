"""The client: what holds for it whatever is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from jobd.catalog import Catalog
from jobd.client import Client
from jobd.errors import ClientClosed
from tests.real_server import RealServer
from tests.roles.until import until

ASKING: list[Callable[[Client], Awaitable[object]]] = [
    lambda client: client.enqueue("add", {"a": 1}, id="again"),
    lambda client: client.get("again"),
    lambda client: client.cancel("again"),
    lambda client: client.list(),
    lambda client: client.queues(),
    lambda client: client.workers(),
    lambda client: client.wait("again"),
]


@pytest.mark.parametrize("ask", ASKING)
async def test_a_closed_client_says_so_and_opens_no_connection(
    session_server: RealServer, redis_url: str, ask: Callable[[Client], Awaitable[object]]
) -> None:
    with session_server.client() as onlooker:
        async with Client(redis_url, catalog=Catalog()) as client:
            await client.store.tell_types({"add": {}})
            await client.enqueue("add", {"a": 1})
            opened = onlooker.info("stats")["total_connections_received"]
        with pytest.raises(ClientClosed, match="make a new one"):
            await ask(client)
        assert onlooker.info("stats")["total_connections_received"] == opened


async def test_who_waits_for_a_result_is_told_when_the_client_is_closed(redis_url: str) -> None:
    async with Client(redis_url, catalog=Catalog()) as client:
        await client.store.tell_types({"add": {}})
        job = await client.enqueue("add", {"a": 1})
        waiting = asyncio.create_task(job.result())
        shard = client.store.shards[0]

        async def is_watched() -> bool:
            return bool(await shard.link.command("HEXISTS", shard.keys.fixed("waiters"), job.id))

        await until(is_watched)
    with pytest.raises(ClientClosed):
        await asyncio.wait_for(waiting, 120)
