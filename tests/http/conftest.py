"""A real store, a real server on loopback, a real client."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from jobd.client import Client
from jobd.http.server import HttpServer
from jobd.settings import Settings
from jobd.store.store import Store
from tests.http.api import Api
from tests.http.hand import Hand
from tests.http.job_types import catalog


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Client]:
    async with Client(store=Store.at(redis_url), catalog=catalog()) as client:
        yield client


@pytest.fixture
def settings() -> Settings:
    return Settings(port=0)


@pytest.fixture
async def server(client: Client, settings: Settings) -> AsyncIterator[HttpServer]:
    server = HttpServer(client, settings)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def api(server: HttpServer) -> AsyncIterator[Api]:
    async with Api(f"http://127.0.0.1:{server.port}") as api:
        yield api


@pytest.fixture
async def hand(client: Client) -> Hand:
    """A worker of one pair of hands: it does what the test says."""
    hand = Hand(client.store)
    await hand.join()
    return hand
