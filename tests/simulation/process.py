"""One process of a simulated world: an actor of its own, its lease, its wire."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from random import Random
from typing import Any, Protocol, cast

from jobd.catalog import Catalog
from jobd.client import Client
from jobd.domain.levels import Levels
from jobd.errors import StoreError
from jobd.roles.membership import Membership
from jobd.roles.reaper import Reaper
from jobd.roles.scheduler import Scheduler
from jobd.roles.verdicts import Verdicts
from jobd.roles.worker.engine import Engine
from tests.simulation.line import SimStore
from tests.simulation.oracle import Oracle
from tests.simulation.weather import Weather, Wire

LEASE_MS = 20_000
_LINES = {"worker": ["*"], "solo": ["!*"], "monitor": ["@monitor"], "scheduler": ["@scheduler"]}


class Violation(AssertionError):
    """A promise was broken."""


class Around(Protocol):
    """What a process finds around it."""

    dice: Random
    weather: Weather
    oracle: Oracle
    catalog: Catalog

    def report(self, name: str, error: BaseException) -> None: ...


class Process:
    """What keeps leases in earnest is a thread; here it is a task of the process."""

    def __init__(self, around: Around, kind: str) -> None:
        self.kind = kind
        self.wire = Wire(around.weather)
        store = SimStore(around.oracle, self.wire)
        self._shard = store.sim
        self._client = Client(store=store, catalog=around.catalog)
        self._membership = Membership(
            store, 0, kind=kind, lines=_LINES[kind], lease_ms=LEASE_MS, keeper=cast("Any", self)
        )
        self.actor = self._actor(around)
        self._renewing: dict[str, asyncio.Task[None]] = {}

    def _actor(self, around: Around) -> Any:
        if self.kind == "monitor":
            return Reaper(self._membership, Verdicts(around.catalog, Levels()), report=around.report)
        if self.kind == "scheduler":
            return Scheduler(self._membership, report=around.report)
        slots = 1 if self.kind == "solo" else around.dice.choice([1, 2, 5])
        return Engine(self._membership, self._client, around.catalog, {}, concurrency=slots, threads=1)

    def add(self, number: int, member: str, lives: Any, lost: Any) -> None:
        self._renewing[member] = asyncio.create_task(self._renew(member, lost))

    def remove(self, number: int, member: str) -> None:
        if task := self._renewing.pop(member, None):
            task.cancel()

    async def _renew(self, member: str, lost: Any) -> None:
        pause = LEASE_MS / 3_000
        while True:
            await asyncio.sleep(pause)
            try:
                ((goes_on,), _) = await self._shard.renew([member], LEASE_MS, patience_s=LEASE_MS / 3_000)
            except StoreError:
                pause = 0.5
                continue
            pause = LEASE_MS / 3_000
            if not goes_on:
                lost()
                return

    def kill(self) -> None:
        """It dies: nothing of it reaches the store from now on, but for what is on its way, and its handlers end."""
        self.wire.dead = True
        for task in self._renewing.values():
            task.cancel()
        if isinstance(self.actor, Engine):
            for running in list(self.actor._runner.running.values()):
                if running._task is not None:
                    running._task.cancel()
            self.actor._runner._calls._batches.close()

    async def stop(self) -> None:
        """It is stopped as a deploy does."""
        await self.actor.quiet()
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                await self.actor.drain()
        await self.actor.interrupt()
        try:
            await self.actor.stop()
        except Exception as error:
            raise Violation(f"{self.kind} broke: {error!r}") from error
