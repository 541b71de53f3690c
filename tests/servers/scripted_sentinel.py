"""A Sentinel of which a test says what it says: a real one is cut off, or in the middle of a failover, for no longer
than it takes."""

from __future__ import annotations

import asyncio

import hiredis

from jobd.store.topology.pipe import packed
from jobd.store_url import Address
from tests.servers.listener import Listener

SERVICE = "jobs"


class ScriptedSentinel(Listener):
    """Use as an async context manager."""

    def __init__(self, master: Address, failovers: int = 1) -> None:
        self.master, self.failovers = master, failovers
        self.state = b""
        """what it is at, if it leads a failover"""
        self.answers = asyncio.Event()
        """does it say what it sees?"""
        self.answers.set()
        self._listeners: list[asyncio.StreamWriter] = []
        self._lines: set[asyncio.StreamWriter] = set()

    async def _end(self) -> None:
        for line in self._lines:
            line.close()

    @property
    def listened_to(self) -> bool:
        return bool(self._listeners)

    def say(self, *announcements: tuple[str, str]) -> None:
        """Announces in one breath: each a channel and what is said there."""
        for listener in self._listeners:
            listener.write(b"".join(packed("message", *words) for words in announcements))

    def cut(self) -> None:
        """Breaks the lines to those who listen."""
        while self._listeners:
            self._listeners.pop().close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._lines.add(writer)
        commands = hiredis.Reader()
        while data := await reader.read(4_096):
            commands.feed(data)
            while words := commands.gets():
                await self._answer(writer, words)
        self._lines.discard(writer)
        writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, words: list[bytes]) -> None:
        match words:
            case [b"SUBSCRIBE", *channels]:
                for channel in channels:
                    writer.write(packed("subscribe", channel, 1))
                self._listeners.append(writer)
            case [b"SENTINEL", b"MASTER", _]:
                await self.answers.wait()
                writer.write(packed("config-epoch", self.failovers, "failover-state", self.state))
            case _:
                writer.write(packed(self.master.host, self.master.port))


def chosen(former: Address) -> tuple[str, str]:
    """A Sentinel says that another one is to take over."""
    return "+failover-state-send-slaveof-noone", f"slave x 127.0.0.1 1 @ {SERVICE} {former.host} {former.port}"


def promoted(former: Address, master: Address) -> tuple[str, str]:
    """It says that the other one has taken over."""
    return "+promoted-slave", f"slave x {master.host} {master.port} @ {SERVICE} {former.host} {former.port}"
