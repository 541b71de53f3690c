"""The api role: keeps the HTTP server open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from jobd.actors.actor import Actor
from jobd.http.server import HttpServer


class Api(Actor):
    """Open as long as requests may come."""

    def __init__(self, server: HttpServer) -> None:
        super().__init__("api")
        self._server = server

    @asynccontextmanager
    async def life(self) -> AsyncIterator[None]:
        """Open: requests are answered. Closed: none is."""
        await self._server.start()
        try:
            yield
        finally:
            await self._server.stop()

    async def quiet(self) -> None:
        """It is not ready any more, so that no balancer chooses it; whoever comes all the same is answered."""
        await self._server.quiet()
