"""What every way to a shard's server has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod

from jobd.store.topology.announcements import Announcements
from jobd.store.topology.node import Node
from jobd.store_url import Address, StoreUrl


class Topology(ABC):
    """Knows, or finds out, which server owns a slot now."""

    slots_move = False
    """may a slot go from one server to another key by key?"""
    announcements: Announcements | None = None
    """where a new owner of all slots is told of, if anywhere"""

    def __init__(self, url: StoreUrl) -> None:
        self.url = url

    @abstractmethod
    async def owner(self, slot: int, *, doubted: Address | None = None) -> Address:
        """The server that owns a slot; `doubted` is the one that has just failed as such. Raises RedisError or OSError
        when nobody can say it at the moment."""

    def node(self, address: Address) -> Node:
        """One of its servers."""
        return Node(self.url, address)


class Standalone(Topology):
    """One server."""

    async def owner(self, slot: int, *, doubted: Address | None = None) -> Address:
        """Always the same."""
        return self.url.addresses[0]
