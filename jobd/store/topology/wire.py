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
        self._opening: asyncio.Future[Pipe] | None = None
        """what those wait for who want the connection that is being made"""
        self._closed = False

    @property
    def connected(self) -> bool:
        """Can it be asked at once?"""
        return self._pipe is not None and self._pipe.usable

    async def execute(self, *words: Argument, may_be_late: bool = False) -> Any:
        """The reply to one command. Raises RedisError, OSError."""
        (reply,) = await self.ask(packed(*words), may_be_late=may_be_late)
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def ask(self, commands: bytes, count: int = 1, *, may_be_late: bool = False) -> list[Any]:
        """The replies to so many packed commands, in order; errors of the server are among them, not raised. Raises
        RedisError, OSError when they do not come, in time unless they `may_be_late`."""
        pipe = self._pipe
        if pipe is None or not pipe.usable:
            if self._closed:
                raise RedisConnectionError("the connection was closed")
            # one attempt for all who wait, none of whom may end it for the others
            pipe = await asyncio.shield(self._opening or self._open())
        return await pipe.ask(commands, count, may_be_late=may_be_late)

    def doubt(self) -> None:
        """Gives the connection up if it may be as dead as another one that failed. One on which answers are awaited,
        and not for long yet, goes on."""
        if self._pipe is not None and (self._pipe.idle or self._pipe.silent):
            self._pipe.abort()

    def abort(self) -> None:
        """Ends the connection at once, if there is one; whoever waits for a reply gets a ConnectionError."""
        if self._pipe is not None:
            self._pipe.abort()

    def end(self) -> None:
        """Ends the connection at once and for good, also one that is just being made: nothing more is sent over it, and
        whoever waits for a reply gets a ConnectionError. `close` is still to follow."""
        self._closed = True
        self.abort()
        if self._connecting is not None:
            self._connecting.cancel()

    async def close(self) -> None:
        """Closes the connection, for good; whoever waits for a reply gets a ConnectionError. Also one who is cancelled
        meanwhile leaves none open."""
        self.end()
        if self._pipe is not None:
            await self._pipe.close()
        if self._connecting is not None:
            await asyncio.wait((self._connecting,))

    def _open(self) -> asyncio.Future[Pipe]:
        self._opening = asyncio.get_running_loop().create_future()
        self._connecting = asyncio.create_task(self._connect(), name="connecting to the store")
        self._connecting.add_done_callback(self._connected)
        return self._opening

    async def _connect(self) -> Pipe:
        if self._pipe is not None:
            await self._pipe.close()
        pipe = self._pipe = await Pipe.to(self._node)
        if self._closed:
            await pipe.close()
        return pipe

    def _connected(self, connecting: asyncio.Task[Pipe]) -> None:
        opening, self._opening, self._connecting = self._opening, None, None
        if opening is None or opening.done():
            return
        if connecting.cancelled():
            # no cancellation of those who wait
            opening.set_exception(RedisConnectionError("the connection was closed"))
        elif error := connecting.exception():
            opening.set_exception(error)
        else:
            opening.set_result(connecting.result())
        opening.exception()  # for asyncio, which wants it looked at; whoever waits is told
