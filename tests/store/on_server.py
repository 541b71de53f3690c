"""Work on a server of which a test knows more than its URL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from jobd.store.store import Store
from tests.real_server import RealServer
from tests.store.hands import Clock, Hands


@asynccontextmanager
async def work_on(url: str) -> AsyncIterator[tuple[Store, Hands]]:
    """A store there, and hands for it."""
    store = Store.at(url)
    try:
        yield store, Hands(store.shards[0], Clock(store.shards[0]))
    finally:
        await store.close()


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not happened():
            await asyncio.sleep(0)


def calls_refused(server: RealServer) -> int:
    """How many scripts this server has refused to run."""
    with server.client() as client:
        stats: dict[str, Any] = client.info("commandstats")
    return sum(int(of["rejected_calls"]) + int(of["failed_calls"]) for name, of in stats.items() if "fcall" in name)
