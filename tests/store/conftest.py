"""A store on the real server, whose time the test dictates."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import uvloop

from jobd.store import link
from jobd.store.shard import Shard
from jobd.store.store import Store
from tests.conftest import Host
from tests.real_server import RealServer
from tests.store import raw
from tests.store.growing import Open
from tests.store.hands import Clock, Hands
from tests.store.strict_scripts import strict


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[Store]:
    """A store that is empty."""
    store = Store.at(redis_url)
    yield store
    await store.close()


@pytest.fixture
def shard(store: Store) -> Shard:
    """Its only shard."""
    return store.shards[0]


@pytest.fixture
def clock(shard: Shard) -> Clock:
    """The time that the scripts of the shard know."""
    return Clock(shard)


@pytest.fixture
def hands(shard: Shard, clock: Clock, session_server: Host, request: pytest.FixtureRequest) -> Iterator[Hands]:
    """Does with the shard what a test says; whatever that was, all keys agree in the end."""
    yield Hands(shard, clock)
    if request.node.get_closest_marker("damages") is None:
        with session_server.client() as outside:
            raw.check(raw.read(outside, shard.keys.base))


@pytest.fixture
def whole(hands: Hands, session_server: Host) -> Callable[[], raw.Raw]:
    """Reads all keys and checks that they agree."""

    def look() -> raw.Raw:
        with session_server.client() as outside:
            found = raw.read(outside, hands.shard.keys.base)
        raw.check(found)
        return found

    return look


@pytest.fixture
async def open_store(redis_url: str) -> AsyncIterator[Open]:
    """Opens the store as another process does: each knows what it has learned itself."""
    async with AsyncExitStack() as stack:

        def opened(shards: int = 1) -> Store:
            store = Store.at(redis_url, shards=shards)
            stack.push_async_callback(store.close)
            return store

        yield opened


@pytest.fixture
def server_of_ones_own(server_binary: Path) -> Iterator[RealServer]:
    """A server that a test may stop, change and damage."""
    with RealServer(server_binary) as server:
        yield server


@pytest.fixture
async def watched_worker(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker; and every script is watched for whether it keeps the rule of keys."""
    monkeypatch.setattr(link, "load", strict)
    await hands.join()
