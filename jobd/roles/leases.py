"""The keeper of leases, as an actor: it stops only when all who need it have stopped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import to_thread

from jobd.actors.actor import Actor
from jobd.store.lease_keeper import LeaseKeeper


class Leases(Actor):
    """Leases of this process and its children are renewed as long as this lives."""

    def __init__(self, keeper: LeaseKeeper) -> None:
        super().__init__("leases")
        self._keeper = keeper

    @asynccontextmanager
    async def life(self) -> AsyncIterator[None]:
        """Open: the keeper's thread runs."""
        self._keeper.start()
        try:
            yield
        finally:
            await to_thread.run_sync(self._keeper.stop)
