"""Children of a crew that a test plays: what they are told is written down, and they do what the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest

from jobd.roles.worker import crew as crew_module
from jobd.roles.worker.child_process import ChildProcess
from jobd.roles.worker.crew import Crew
from tests.roles.parts import PATIENCE_S, Parts


class Played(ChildProcess):
    """A child without a process. It begins as soon as it is started, unless a test keeps it from that, and does at once
    what it is told."""

    every: ClassVar[list[Played]] = []
    """in the order in which they were made"""
    begins = True
    """do those that are started take jobs at once?"""
    broken: ClassVar[list[OSError]] = []
    """what the next ones meet when they are to be started"""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.orders: list[str] = []
        self.may_start = asyncio.Event()
        self.may_start.set()
        self.may_rest = asyncio.Event()
        self.may_rest.set()
        self.every.append(self)

    async def start(self) -> None:
        if self.broken:
            raise self.broken.pop(0)
        await self.may_start.wait()
        self.pid = 1 + self.every.index(self)
        if self.begins:
            self.begin()

    def begin(self, member: str = "") -> None:
        self.member = member or f"played-{self.pid}"
        self._on_joined(self, self.member)
        self.up_or_ended.set()

    async def do(self, what: str) -> None:
        self._done.setdefault(what, asyncio.Event()).set()
        self.orders.append(what)
        if what == "stop":
            self.die("exited with code 0")

    def kill(self, because: str, *, hopeless: bool = False) -> None:
        if self.pid and not self.ended.is_set():
            self.cause, self.hopeless = because, hopeless
            asyncio.get_running_loop().call_soon(lambda: self.die(self.cause, hopeless=self.hopeless))

    def die(self, cause: str, *, hopeless: bool = False) -> None:
        self.cause, self.hopeless = cause, hopeless
        self.ended.set()
        self.up_or_ended.set()

    async def close(self) -> None:
        await self.may_rest.wait()

    def is_silent_since(self, seconds: float) -> None:
        self._last_sign -= seconds


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> type[Played]:
    """All children that a crew makes are played."""
    monkeypatch.setattr(crew_module, "ChildProcess", Played)
    for name, value in (("every", []), ("begins", True), ("broken", [])):
        monkeypatch.setattr(Played, name, value)
    return Played


@asynccontextmanager
async def crew_that_ends_well(parts: Parts, size: int = 1) -> AsyncIterator[Crew]:
    """One that has started; whatever comes meanwhile, it does not fail."""
    crew = parts.crew(size)
    async with asyncio.timeout(PATIENCE_S):
        await crew.start()
        try:
            yield crew
            assert not crew.failed
        finally:
            await crew.stop()


async def turns(count: int = 30) -> None:
    """All who can go on have done so."""
    for _ in range(count):
        await asyncio.sleep(0)
