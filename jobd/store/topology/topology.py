"""What every way to a shard's server has in common."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.asyncio import Redis

from jobd.store.topology.node import open_node
from jobd.store_url import Address, StoreUrl

LOOK_UP_S = 1.0
"""how long one server may take to say who the master is"""

T = TypeVar("T")


class Topology(ABC):
    """Knows, or finds out, which server owns a slot now."""

    def __init__(self, url: StoreUrl) -> None:
        self.url = url

    @abstractmethod
    async def owner(self, slot: int, *, doubted: Address | None = None) -> Address:
        """The server that owns a slot; `doubted` is the one that has just failed as such. Raises RedisError or OSError
        when nobody can say it at the moment."""

    def open(self, address: Address) -> Redis:
        """A client for one of its servers."""
        return open_node(self.url, address)


class Standalone(Topology):
    """One server."""

    async def owner(self, slot: int, *, doubted: Address | None = None) -> Address:
        """Always the same."""
        return self.url.addresses[0]


async def ask_once(node: Redis, question: Callable[[Redis], Awaitable[T]]) -> T:
    """The answer of a server that is not to be talked to again. Raises RedisError or OSError if it has none."""
    try:
        async with asyncio.timeout(LOOK_UP_S):
            return await question(node)
    finally:
        await node.aclose()
