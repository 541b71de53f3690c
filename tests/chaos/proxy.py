"""The line between one program and the server, which breaks in the ways lines break."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tests.servers.listener import Listener


class Way:
    """One of the two directions: it may be shut, and what comes then is held up, as by a network that loses packets and
    sends them again. It may be slow."""

    def __init__(self) -> None:
        self.delay_s = 0.0
        self._open = asyncio.Event()
        self._open.set()

    def shut(self) -> None:
        """Nothing passes from now on, and nobody learns it."""
        self._open.clear()

    def open(self) -> None:
        """What was held up passes, late as it is."""
        self._open.set()

    async def wait(self) -> None:
        """Until data may pass."""
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        await self._open.wait()


class Proxy(Listener):
    """Passes on what comes to its port. Use as an async context manager."""

    def __init__(self, target: int) -> None:
        """`target` is the port of the server behind it."""
        self.requests, self.replies = Way(), Way()
        self.cuts_replies = False
        """the next reply on each line does not arrive, and the line breaks: what it answers has been done"""
        self._target = target
        self._lines: set[asyncio.Task[None]] = set()

    async def _end(self) -> None:
        lines = list(self._lines)
        self.reset()
        if lines:
            await asyncio.wait(lines)

    def reset(self) -> None:
        """All lines that there are break, and both ends learn it."""
        for line in self._lines:
            line.cancel()

    def heal(self) -> None:
        """All is well again."""
        self.cuts_replies = False
        for way in (self.requests, self.replies):
            way.delay_s = 0.0
            way.open()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.current_task()
        assert line is not None
        self._lines.add(line)
        try:
            await self._carry(reader, writer)
        finally:
            self._lines.discard(line)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.CancelledError):
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._target)
            ways = [
                asyncio.create_task(self._pump(reader, server_writer, self.requests)),
                asyncio.create_task(self._pump(server_reader, writer, self.replies)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.wait(ways)
                server_writer.transport.abort()
        writer.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, way: Way) -> None:
        with suppress(OSError, asyncio.CancelledError):
            while data := await source.read(65_536):
                if way is self.replies and self.cuts_replies:
                    return
                await way.wait()
                sink.write(data)
                await sink.drain()
