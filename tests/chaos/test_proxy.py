"""The line between a program and a server breaks as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Broken

from tests.chaos.proxy import Proxy
from tests.servers.tcp_server import TcpServer


@pytest.fixture
async def server(server_binary: Path) -> AsyncIterator[TcpServer]:
    with TcpServer(server_binary) as server:
        yield server


@pytest.fixture
async def proxy(server: TcpServer) -> AsyncIterator[Proxy]:
    async with Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture
async def client(proxy: Proxy) -> AsyncIterator[Redis]:
    """It sends nothing twice."""
    async with Redis(port=proxy.port, retry=Retry(NoBackoff(), 0), single_connection_client=True) as client:
        await client.ping()
        yield client


async def test_requests_that_are_held_up_arrive_late(server: TcpServer, proxy: Proxy, client: Redis) -> None:
    proxy.requests.shut()
    asked = asyncio.ensure_future(client.incr("n"))
    with server.client() as inside:
        for _ in range(1_000):
            await asyncio.sleep(0)
        assert inside.get("n") is None
        proxy.heal()
        assert await asked == 1


async def test_replies_that_are_held_up_were_preceded_by_the_deed(
    server: TcpServer, proxy: Proxy, client: Redis
) -> None:
    proxy.replies.shut()
    asked = asyncio.ensure_future(client.incr("n"))
    with server.client() as inside:
        while inside.get("n") is None:
            await asyncio.sleep(0)
    assert not asked.done()
    proxy.heal()
    assert await asked == 1


async def test_a_reply_that_is_cut_was_preceded_by_the_deed(server: TcpServer, proxy: Proxy, client: Redis) -> None:
    proxy.cuts_replies = True
    with pytest.raises(Broken):
        await client.incr("n")
    with server.client() as inside:
        assert inside.get("n") == b"1"


async def test_a_reset_breaks_the_lines_there_are(proxy: Proxy, client: Redis) -> None:
    proxy.reset()
    with pytest.raises((Broken, OSError)):
        await client.ping()
    async with Redis(port=proxy.port) as another:
        assert await another.ping()
