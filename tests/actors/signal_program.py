"""A process for the signal tests: a supervisor with one actor, whose steps appear on standard output."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import uvloop

from jobd.actors.actor import Actor
from jobd.actors.os_signals import OsSignals
from jobd.actors.supervisor import Supervisor


def say(word: str) -> None:
    print(word, flush=True)


class Steps(Actor):
    """Says each step; hangs in those it was given."""

    def __init__(self, hangs_in: list[str]) -> None:
        super().__init__("steps")
        self.hangs_in = hangs_in

    @asynccontextmanager
    async def life(self) -> AsyncIterator[None]:
        await self.step("start")
        yield
        await self.step("stop")

    async def drain(self) -> None:
        await self.step("drain")

    async def interrupt(self) -> None:
        await self.step("interrupt")

    async def step(self, step: str) -> None:
        say(step)
        if step in self.hangs_in:
            await anyio.sleep_forever()


async def main(hangs_in: list[str]) -> None:
    supervisor = Supervisor(report=lambda name, error: say(f"{name} broke"), last_wait=60)
    signals = OsSignals(supervisor.request_stop, supervisor.hurry, supervisor.abandon)
    shutdown = await supervisor.run([signals, Steps(hangs_in)], grace=60, on_ready=lambda: say("ready"))
    if shutdown.stubborn:
        say(f"left behind: {', '.join(shutdown.stubborn)}")
        os._exit(3)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1:]))
