"""The private socket of an embedded server, asked without a client library: does anybody listen, and please stop."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import anyio


async def probe(socket: Path) -> Literal["ready", "loading", "silent"]:
    """Does a server listen there that takes commands, does it still load its data, or does nobody answer?"""
    answer = await _ask(socket, b"PING\r\n")
    if not answer:
        return "silent"
    return "loading" if answer.startswith(b"-LOADING") else "ready"


async def shut_down(socket: Path) -> None:
    """Ask the server that listens there, if any, to write down what it has and to end."""
    await _ask(socket, b"SHUTDOWN\r\n")


async def _ask(socket: Path, command: bytes) -> bytes:
    try:
        with anyio.fail_after(5):
            async with await anyio.connect_unix(socket) as stream:
                await stream.send(command)
                return await stream.receive()
    except (OSError, TimeoutError, anyio.EndOfStream, anyio.BrokenResourceError):
        return b""  # nobody there, or it ended while we spoke
