"""The line between a supervisor and a child: JSON, a line a message, over a socket that both ends inherit.

Downwards: the order with its settings, then `quiet`, `drain`, `interrupt`, `stop`. Upwards: `opening` before each
service is made; `ready` with each id it joins the store under, or `failed` with the reason; `tick` each second; `idle`
when there was no work for a while; `stuck` when too many handlers heed no stop; `done` after each step down. When
either end closes, the other knows that its partner is dead.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import orjson

TICK_S = 1.0
"""how often a child says that its loop runs"""
LONGEST_LINE = 1_048_576


class Control:
    """One end of the line."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket.socket, *, longest: int = LONGEST_LINE) -> Control:
        """The line over a connected socket; what comes in is up to `longest` bytes a message."""
        end.setblocking(False)
        return cls(*await asyncio.open_unix_connection(sock=end, limit=longest))

    def tell(self, message: Mapping[str, Any]) -> None:
        """Sends a message; one to a partner who is dead is lost."""
        if not self._writer.is_closing():
            self._writer.write(orjson.dumps(message) + b"\n")

    async def tell_first(self, message: Mapping[str, Any]) -> None:
        """As `tell`; returns when the message is on its way, whatever holds the loop after that."""
        self.tell(message)
        await asyncio.sleep(0)  # uvloop sends at the end of a turn

    async def hear(self) -> dict[str, Any] | None:
        """The next message; None when the partner is dead."""
        try:
            line = await self._reader.readline()
        except (OSError, ValueError):
            return None
        return orjson.loads(line) if line.endswith(b"\n") else None

    def hang_up(self) -> None:
        """Closes this end at once."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Closes this end; what was told is sent before."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()
