"""The shared Redis, looked at before anything relies on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from jobd import log
from jobd.actors.actor import Actor
from jobd.store.store import Store


class SharedStore(Actor):
    """Ready when a server that jobd can work with answers."""

    def __init__(self, store: Store) -> None:
        super().__init__("shared store")
        self._store = store

    @asynccontextmanager
    async def life(self) -> AsyncIterator[None]:
        """Open: the server is one that jobd can work with. Raises StoreRefused or StoreUnavailable if not."""
        version = await self._store.require_version()
        log.get("jobd").info("shared store", server=version or "unknown")
        yield
