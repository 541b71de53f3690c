"""A world of one seed: a store, processes that come and go, jobs, faults; and what must hold in the end."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import structlog
from pydantic import BaseModel

import jobd
from jobd import clock
from jobd.catalog import Catalog
from jobd.errors import StoreError
from jobd.store import acceptance as large
from tests.actors.autojump import AutojumpLoop
from tests.simulation.clock_steps import ClockSteps
from tests.simulation.judge import Diary, Run, judge
from tests.simulation.oracle import Oracle
from tests.simulation.process import LEASE_MS, Process, Violation
from tests.simulation.weather import Weather
from tests.simulation.wishes import Producer, Told
from tests.store.hands import START_MS
from tests.store.model import ENDED

STORM_S = 50.0
"""how long faults go on"""
PATIENCE_S = 200.0
"""how long all may take to come to its end when they are over; by the simulated clock"""


_present: list[World] = []
"""the world in which handlers run; making job types takes longer than a world"""


def _job_type(kind: str) -> jobd.JobType[Any, Any]:
    @jobd.job(kind, max_attempts=3, backoff="1s", timeout="20s" if kind == "slow" else None)
    async def handler(ctx: jobd.Context) -> None:
        await _present[0].handle(kind, ctx)

    return handler


class Nothing(BaseModel):
    """What a lot is made of."""


@jobd.job("lot", max_attempts=3, backoff="1s", batch=3, batch_wait="1s")
async def _lot(contexts: list[jobd.Context], items: list[Nothing]) -> None:
    await _present[0].handle("lot", *contexts)


@cache
def _catalog() -> Catalog:
    return Catalog([_lot, *map(_job_type, ("good", "bad", "shaky", "slow", "parent", "child"))])


class World:
    """One seed. Raises Violation from `run` if anything does not hold."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.dice = random.Random(seed)
        self.weather = Weather(self.dice)
        self.steps = ClockSteps(seed)
        self.oracle = Oracle(self.weather, self.dice)
        self.diary = Diary(self.oracle)
        self.broken: list[str] = []
        self.catalog = _catalog()
        _present[:] = [self]
        self.processes: list[Process] = []
        self.told = Told()
        self._lives = 0
        """of producers"""
        self._graves: list[Process] = []

    def report(self, name: str, error: BaseException) -> None:
        """An actor tells that it broke. Trouble with the store is none."""
        if not isinstance(error, StoreError):
            self.broken.append(f"{name}: {error!r}")

    async def handle(self, kind: str, *contexts: jobd.Context) -> None:
        """What handlers do."""
        runs = [Run(ctx.job.id, ctx.fence, ctx.attempt) for ctx in contexts]
        for run in runs:
            self.diary.begins(run)
        try:
            await asyncio.sleep(self.dice.random() * (8 if kind == "slow" else 0.2))
            if kind == "bad" or (kind == "shaky" and contexts[0].attempt == 1):
                raise ValueError("no")
            if kind == "parent":
                await contexts[0].enqueue("child", id=f"{contexts[0].job.id}-child")
        finally:
            for run in runs:
                self.diary.ends(run)

    # --- the course of things --------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Everything, from the first process to the last look."""
        for kind in ("worker", "worker", "solo", "monitor", "scheduler"):
            await self._start(kind)
        self._produce()
        stepping = asyncio.create_task(self._step())
        await self._storm()
        await self._producing
        await stepping
        self.weather.calm = True
        for wire in (self._producer.wire, *(process.wire for process in self.processes)):
            wire.cut_until = 0.0
        for kind in ("worker", "solo", "monitor", "scheduler"):
            if not any(process.kind == kind for process in self.processes):
                await self._start(kind)
        try:
            async with asyncio.timeout(PATIENCE_S + self.steps.back_s):
                while self.weather.on_their_way or not all(job.state in ENDED for job in self._jobs()):
                    await asyncio.sleep(1)
        except TimeoutError:
            left = {job.order.id: (job.state, job.holder) for job in self._jobs() if job.state not in ENDED}
            raise Violation(f"jobs did not end within {PATIENCE_S:g} s of calm: {left}") from None
        for process in self.processes:
            await process.stop()
        if wrong := [*self.broken, *judge(self.told, self.diary, self.oracle)]:
            raise Violation("; ".join(wrong))

    def _jobs(self) -> Iterator[Any]:
        return iter(self.oracle.model.jobs.values())

    async def _start(self, kind: str) -> None:
        process = Process(self, kind)
        self.processes.append(process)
        starting = asyncio.create_task(self._begin(process))
        await asyncio.wait({starting}, timeout=30)

    async def _begin(self, process: Process) -> None:
        while True:
            try:
                await process.actor.start()
            except StoreError:
                await asyncio.sleep(0.5)
            else:
                return

    def _produce(self) -> None:
        self._lives += 1
        self._producer = Producer(
            f"p{self._lives}.",
            self.told,
            self.oracle,
            self.weather,
            self.catalog,
            self.dice,
            lambda: len(self.diary.runs),
        )
        self._producing = asyncio.create_task(self._producer.run())

    async def _storm(self) -> None:
        end = asyncio.get_running_loop().time() + STORM_S
        while asyncio.get_running_loop().time() < end:
            await asyncio.sleep(self.dice.expovariate(1 / 8))
            process = self.dice.choice(self.processes)
            match self.dice.choice(["kill", "kill", "cut", "cut", "stop", "stop", "producer", "none"]):
                case "producer":  # it dies, and so does what it had begun
                    self.diary.faults += 1
                    self._producer.wire.dead = True
                    self._producing.cancel()
                    self._produce()
                case "kill":
                    self._forget(process)
                    process.kill()
                    await self._start(process.kind)
                case "cut":
                    self.diary.faults += 1
                    wire = self.dice.choice([process.wire, process.wire, self._producer.wire])
                    wire.cut_until = asyncio.get_running_loop().time() + self.dice.random() * 3 * LEASE_MS / 1_000
                case "stop":
                    self._forget(process)
                    await process.stop()
                    await self._start(process.kind)

    async def _step(self) -> None:
        for pause_s, ms in self.steps:
            await asyncio.sleep(pause_s)
            self.oracle.step(ms)

    def _forget(self, process: Process) -> None:
        self.diary.faults += 1
        self.processes.remove(process)
        self._graves.append(process)


@contextmanager
def simulated(seed: int) -> Iterator[AutojumpLoop]:
    """A loop whose clock is the only one, and dice that come from the seed."""
    loop = AutojumpLoop()
    before = clock.monotonic, clock.now_ms, clock.dice, clock.random_bits
    sizes = {name: vars(large)[name] for name in ("WHOLE", "MOST_COST", "BATCH")}
    # so that small sets come in parts
    vars(large).update(WHOLE=4, MOST_COST=6, BATCH=3)
    dice = random.Random(seed)
    random.seed(seed)
    clock.monotonic = loop.time
    clock.now_ms = lambda: START_MS + int(loop.now * 1_000)
    clock.dice = dice.random
    clock.random_bits = dice.getrandbits
    try:
        yield loop
    finally:
        clock.monotonic, clock.now_ms, clock.dice, clock.random_bits = before
        vars(large).update(sizes)
        _end(loop)


def _end(loop: asyncio.AbstractEventLoop) -> None:
    """Ends what is left of those who died in the middle of something; some begin to close what they have, and wait."""
    while tasks := asyncio.all_tasks(loop):
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.wait(tasks, timeout=5))
    loop.close()


def simulate(seed: int) -> Diary:
    """Runs the world of one seed. Raises Violation if a promise is broken there."""
    with simulated(seed) as loop:
        world = World(seed)
        loop.run_until_complete(world.run())
    return world.diary


@contextmanager
def silence() -> Iterator[None]:
    """Nothing is logged: what processes would say of so much trouble would take longer than the trouble itself."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)
