"""The store, looked at before anything relies on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from jobd import log
from jobd.actors.actor import Actor
from jobd.store.durability import Durability
from jobd.store.store import Store


class CheckedStore(Actor):
    """Ready when servers that jobd can work with answer."""

    def __init__(self, store: Store) -> None:
        super().__init__("store")
        self._store = store
        self.durability: Durability | None = None
        """what they keep; known when it is ready"""

    @asynccontextmanager
    async def life(self) -> AsyncIterator[None]:
        """Open: the servers are such that jobd can work with. Raises StoreRefused or StoreUnavailable if not."""
        version = await self._store.require_version()
        kept = self.durability = await self._store.durability()
        speaker = log.get("jobd")
        speaker.info("store", server=version or "unknown", durability=kept.words, eviction=kept.eviction)
        if kept.warning:
            speaker.warning(kept.warning)
        yield
