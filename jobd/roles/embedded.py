"""The embedded server, as the first actor up and the last one down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from jobd.actors.actor import Actor
from jobd.store.embedded import EmbeddedServer


class Embedded(Actor):
    """The server runs, or somebody else's on the same data directory does, as long as this lives."""

    def __init__(self, server: EmbeddedServer) -> None:
        super().__init__("embedded server")
        self._server = server

    @asynccontextmanager
    async def life(self) -> AsyncIterator[None]:
        """Open: the server answers."""
        await self._server.start()
        watching = asyncio.create_task(self._watch(), name="embedded server lives")
        try:
            yield
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
            await self._server.stop()

    async def _watch(self) -> None:
        try:
            await self._server.wait_failed()
        except Exception as error:  # noqa: BLE001  whatever it failed of, the process goes down and says so
            self.fail(error)
