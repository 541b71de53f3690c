"""A whole jobd on a store that something happens to: a program with its worker, and a client that enqueues."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Literal

import jobd
from jobd.domain.state import State
from jobd.errors import JobNotFound, StoreError
from tests.acceptance.program import Program

AGAIN_S = 60.0
"""how long after the end of a fault a test waits for jobs to be taken and run again; on a machine with nothing else to
do it takes less than 5 s, and scripts/chaos tells how long it took"""
_PATIENCE_S = 120.0


class Household:
    """The program runs on from fault to fault; nobody starts it again."""

    def __init__(self, program: Program, client: jobd.Client) -> None:
        self.program = program
        self.client = client

    async def takes_jobs(self) -> None:
        """Within the time allowed a new job is taken and run, told to one who waits for it; a delayed one too."""
        async with asyncio.timeout(AGAIN_S):
            job = await self.client.enqueue("noop", {"text": "now"})
            later = await self.client.enqueue("noop", {"text": "later"}, delay=0.05)
            await asyncio.gather(job.result(), later.result())
        assert self.program.alive

    @asynccontextmanager
    async def busy(self, durability: Literal["server", "replica"] = "server") -> AsyncIterator[list[str]]:
        """Jobs are enqueued one after the other, and counts are read, all the time. Gives the ids of those that were
        accepted so far."""
        accepted: list[str] = []
        tasks = [asyncio.create_task(self._produce(accepted, durability)), asyncio.create_task(self._read())]
        try:
            async with asyncio.timeout(_PATIENCE_S):
                while len(accepted) < 20:
                    await asyncio.sleep(0.01)
            yield accepted
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def all_ran(self, ids: Iterable[str]) -> None:
        """Returns when all of these have been completed."""
        assert await self.lost(ids) == []

    async def lost(self, ids: Iterable[str]) -> list[str]:
        """Waits until those of these that are there have been completed. The ids of the others."""
        lost = []
        async with asyncio.timeout(_PATIENCE_S):
            for job_id in ids:
                try:
                    job = await self.client.wait(job_id)
                except JobNotFound:
                    lost.append(job_id)
                else:
                    assert job.status is State.COMPLETED
        return lost

    async def _produce(self, accepted: list[str], durability: Literal["server", "replica"]) -> None:
        number = 0
        while True:
            number += 1
            job_id = f"{id(accepted)}-{number}"
            with suppress(StoreError):
                await self.client.enqueue("noop", {"text": "x"}, id=job_id, durability=durability)
                accepted.append(job_id)
            await asyncio.sleep(0.002)

    async def _read(self) -> None:
        while True:
            with suppress(StoreError):
                await self.client.queues()
            await asyncio.sleep(0.05)


def program_on(url: str, folder: Path, **environment: str) -> Program:
    """What runs the jobs of a household."""
    roles = [word for role in ("monitor", "scheduler", "worker") for word in ("--role", role)]
    return Program(folder, *roles, "--redis-url", url, environment={"JOBD_LOG__FORMAT": "json", **environment})


@asynccontextmanager
async def household(url: str, program: Program) -> AsyncIterator[Household]:
    """The client beside a program that is up, in a household where all is well."""
    async with jobd.Client(url) as client:
        home = Household(program, client)
        await home.takes_jobs()
        yield home
