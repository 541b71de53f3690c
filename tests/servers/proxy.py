"""A line to a server that breaks in the ways lines break."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tests.servers.listener import Listener


class Proxy(Listener):
    """Passes on what comes to its port. Use as an async context manager."""

    def __init__(self, port: int) -> None:
        """`port` is that of the server behind it."""
        self._target = port
        self._lines: set[Line] = set()

    async def _end(self) -> None:
        self.cut()
        await asyncio.gather(*(line.ended() for line in self._lines))

    @property
    def lines(self) -> int:
        """How many there are."""
        return len(self._lines)

    def cut(self) -> None:
        """All lines there are break, and both ends learn it."""
        for line in self._lines:
            line.cut()

    def silence(self, *, requests: bool = True) -> None:
        """The lines there are carry no replies any more, and no `requests`, and nobody learns it; new ones are well."""
        for line in self._lines:
            line.deaf, line.mute = True, line.mute or requests

    def hold(self) -> None:
        """What is asked on the lines there are stays on its way until it is let go, whatever becomes of who asked."""
        for line in self._lines:
            line.passes.clear()

    def let_go(self) -> None:
        """What was held arrives now."""
        for line in self._lines:
            line.passes.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = Line(reader, writer)
        self._lines.add(line)
        try:
            await line.carry(self._target)
        finally:
            self._lines.discard(line)


class Line:
    """One connection, from the client to the server behind."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.deaf = self.mute = False
        self.passes = asyncio.Event()
        self.passes.set()
        self._reader = reader
        self._writer = writer
        self._task = asyncio.current_task()

    async def carry(self, port: int) -> None:
        with suppress(OSError, asyncio.CancelledError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                await asyncio.gather(self._pump_requests(writer), self._pump_replies(reader))
            finally:
                writer.close()
        self._writer.close()

    def cut(self) -> None:
        assert self._task is not None
        self._task.cancel()

    async def ended(self) -> None:
        assert self._task is not None
        await asyncio.wait([self._task])

    async def _pump_requests(self, sink: asyncio.StreamWriter) -> None:
        while data := await self._reader.read(65_536):
            await self.passes.wait()
            if not self.mute:
                sink.write(data)
                await sink.drain()
        sink.close()

    async def _pump_replies(self, source: asyncio.StreamReader) -> None:
        while data := await source.read(65_536):
            if not self.deaf:
                self._writer.write(data)
                await self._writer.drain()
        self._writer.close()
