"""The wire to one server: connected when it is first used, and anew when it broke."""

from __future__ import annotations

import asyncio
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError

from jobd.store.topology.node import Node
from jobd.store.topology.pipe import Argument, Pipe, packed


class Wire:
    """All that is said to one server goes over one connection, whoever says it."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._pipe: Pipe | None = None
        self._connecting: asyncio.Task[Pipe] | None = None
        self._closed = False

    async def execute(self, *words: Argument) -> Any:
        """The reply to one command. Raises RedisError, OSError."""
        (reply,) = await self.ask(packed(*words))
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def ask(self, commands: bytes, count: int = 1) -> list[Any]:
        """The replies to so many packed commands, in order; errors of the server are among them, not raised. Raises
        RedisError, OSError when they do not come."""
        pipe = self._pipe
        if pipe is None or not pipe.usable:
            if self._connecting is None:
                self._connecting = asyncio.create_task(self._connect(), name="connecting to the store")
                self._connecting.add_done_callback(self._connected)
            # one attempt for all who wait, none of whom may end it for the others
            pipe = await asyncio.shield(self._connecting)
        return await pipe.ask(commands, count)

    def doubt(self) -> None:
        """Gives the connection up if it may be as dead as another one that failed. One on which answers are awaited,
        and not for long yet, goes on."""
        if self._pipe is not None and (self._pipe.idle or self._pipe.silent):
            self._pipe.abort()

    def abort(self) -> None:
        """Ends the connection at once, if there is one; whoever waits for a reply gets a ConnectionError."""
        if self._pipe is not None:
            self._pipe.abort()

    async def close(self) -> None:
        """Closes the connection; whoever waits for a reply gets a ConnectionError."""
        self._closed = True
        if self._pipe is not None:
            await self._pipe.close()  # first, as it never waits: who closes may be cancelled at the next wait
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait((self._connecting,))

    async def _connect(self) -> Pipe:
        if self._pipe is not None:
            await self._pipe.close()
        try:
            pipe = self._pipe = await Pipe.to(self._node)
        except asyncio.CancelledError:
            # not a cancellation of those who wait
            raise RedisConnectionError("the connection was closed") from None
        if self._closed:  # and the cancellation was lost on its way
            await pipe.close()
        return pipe

    def _connected(self, connecting: asyncio.Task[Pipe]) -> None:
        self._connecting = None
        if not connecting.cancelled():
            connecting.exception()  # for asyncio, which wants it looked at; whoever waits is told
