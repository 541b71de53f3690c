"""What runs jobs in one process: its crews of processes, or the engines in it, and what people want of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from jobd import clock, log
from jobd.actors.actor import Actor
from jobd.actors.errands import Errands
from jobd.actors.os_signals import OsSignals
from jobd.actors.supervisor import Supervisor
from jobd.catalog import Catalog
from jobd.client import Client
from jobd.control.workers import QUIET, STOP
from jobd.errors import StoreError
from jobd.roles.membership import Membership
from jobd.roles.worker.crew import Crew
from jobd.roles.worker.engine import Engine
from jobd.roles.worker.nursery import Nursery
from jobd.settings import Settings
from jobd.store.lease_keeper import LeaseKeeper
from jobd.store.shard import Shard

NOT_RELIEVED = "with processes = 0 nobody could put another process in place of this one; start it again"


class Standing(Protocol):
    """How a part of the process joins the members of a shard, with a lease that this process keeps."""

    def __call__(self, shard: Shard, kind: str, *lines: str, about: dict[str, Any] | None = None) -> Membership: ...


@dataclass(frozen=True, slots=True)
class Workforce:
    """The crew of each shard; with `processes = 0`, also the engine of each shard."""

    settings: Settings
    catalog: Catalog
    supervisor: Supervisor
    alone: bool
    """is the program there for nothing else?"""
    _errands: Errands = field(default_factory=Errands)
    _crews: dict[int, Crew] = field(default_factory=dict)
    _engines: list[tuple[Engine, Membership]] = field(default_factory=list)

    def of_shard(
        self, shard: Shard, url: str, client: Client, keeper: LeaseKeeper, standing: Standing
    ) -> Iterator[Actor]:
        """Those that run the jobs of a shard, in the order of their start."""
        worker = self.settings.worker
        if worker.processes == 0:
            membership = standing(shard, "worker", *(worker.queue_names or ["*"]), about=self._about())
            engine = self._engine(membership, client)
            self._engines.append((engine, membership))
            yield engine
        crew = self._crews[shard.number] = self._crew(url, shard, keeper)
        yield crew

    def suspects_wait(self, number: int) -> None:
        """In the shard of this number are jobs that may have killed their worker."""
        if number in self._crews:
            self._crews[number].suspects_wait()

    def signals(self) -> Iterator[Actor]:
        """Ears for the signals that are for workers alone; those that stop are for all of the program."""
        yield OsSignals(self._quiet, signals=(signal.SIGUSR1,))
        yield OsSignals(self._restart, signals=(signal.SIGUSR2,))
        yield OsSignals(self._status, signals=(signal.SIGTTIN,))

    def close(self) -> None:
        """Ends what was asked for and is not done."""
        self._errands.cancel()

    def _quiet(self) -> None:
        log.get("worker").info("taking no more jobs; those that run go on")
        for crew in self._crews.values():
            crew.quiet_all()
        for engine in self._engines:
            self._errands.start(_quieten(*engine))

    def _restart(self) -> None:
        log.get("worker").info("putting new worker processes in place of those that run, one after the other")
        for crew in self._crews.values():
            self._errands.start(crew.restart())
        if self._engines:
            log.get("worker").warning(NOT_RELIEVED)

    def _status(self) -> None:
        for crew in self._crews.values():
            for facts in crew.status():
                log.get("worker").info("status", **facts)
        for engine, membership in self._engines:
            log.get("worker").info("status", member=membership.id, pid=os.getpid(), ran=engine.ran, busy=engine.busy)

    def _engine(self, membership: Membership, client: Client) -> Engine:
        worker = self.settings.worker

        def asked(what: str) -> None:
            if what == QUIET:
                self._errands.start(_quieten(engine, membership))
            elif what == STOP:
                self.supervisor.request_stop()
            else:
                log.get("worker").warning(NOT_RELIEVED)

        engine = Engine(
            membership,
            client,
            self.catalog,
            self.settings.plugins,
            concurrency=worker.concurrency,
            threads=worker.threads,
            nursery=partial(Nursery.of, self.settings),
            next_order=worker.order_of(clock.dice).next,
            on_asked=asked,
        )
        return engine

    def _crew(self, url: str, shard: Shard, keeper: LeaseKeeper) -> Crew:
        worker = self.settings.worker
        size = (os.cpu_count() or 1) if worker.processes == "auto" else worker.processes
        # what belongs to the API's door is no business of a worker
        settings = self.settings.model_dump(mode="json", exclude={"http"}) | {"shards": shard.among}
        lines = worker.queue_names or ["*"]
        place = {"settings": settings, "url": url, "shard": shard.number}
        order = {**place, "kind": "worker", "lines": lines, "about": self._about()}
        solo = {**place, "kind": "solo", "lines": [f"!{line}" for line in lines], "about": self._about(1)}
        return Crew(
            size,
            order,
            solo,
            shard=shard,
            keeper=keeper,
            max_loop_block_s=worker.max_loop_block / 1_000,
            grace_s=worker.grace / 1_000,
            max_jobs=worker.max_jobs,
            max_memory=worker.max_memory,
            # a program that was there for nothing else has nothing left to do
            on_deserted=self.supervisor.request_stop if self.alone else lambda: None,
        )

    def _about(self, concurrency: int | None = None) -> dict[str, Any]:
        """What workers tell of themselves."""
        worker = self.settings.worker
        types = sorted(job_type.name for job_type in self.catalog.types.values())
        return {"concurrency": concurrency or worker.concurrency, "queues": worker.queue_names, "types": types}


async def _quieten(engine: Engine, membership: Membership) -> None:
    await engine.quiet()
    with suppress(StoreError):  # it is for people who look, and nobody waits for it
        await membership.tell(quiet=True)
