"""A world of one seed: a store, processes that come and go, jobs, faults; and what must hold in the end."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

import structlog

import jobd
from jobd import clock
from jobd.catalog import Catalog
from jobd.client import Client
from jobd.domain.levels import Levels
from jobd.errors import StoreError
from jobd.roles.membership import Membership
from jobd.roles.reaper import Reaper
from jobd.roles.scheduler import Scheduler
from jobd.roles.verdicts import Verdicts
from jobd.roles.worker.engine import Engine
from jobd.store.store import Store
from tests.actors.autojump import AutojumpLoop
from tests.simulation.line import SimShard, SimStore
from tests.simulation.oracle import Oracle
from tests.simulation.weather import Weather, Wire
from tests.store.hands import START_MS
from tests.store.model import CANCELLED, COMPLETED, ENDED

LEASE_MS = 20_000
STORM_S = 50.0
"""how long faults go on"""
PATIENCE_S = 200.0
"""how long all may take to come to its end when they are over; by the simulated clock"""


@dataclass
class Diary:
    """What handlers and producers wrote down."""

    accepted: set[str] = field(default_factory=set)
    unclear: set[str] = field(default_factory=set)
    runs: list[tuple[str, int, int]] = field(default_factory=list)
    """job, fence, attempt"""
    cancelled: dict[str, int] = field(default_factory=dict)
    """how many runs there had been when it was said that the job is cancelled"""
    faults: int = 0


class Violation(AssertionError):
    """A promise was broken."""


class Process:
    """One process: an actor of its own, its lease, its wire."""

    def __init__(self, world: World, kind: str) -> None:
        self._world = world
        self.kind = kind
        self.wire = Wire(world.weather)
        store = SimStore(world.oracle, self.wire)
        self.client = Client(store=cast("Store", store), catalog=world.catalog)
        self._shard: SimShard = store.shards[0]
        lines = {"worker": ["*"], "solo": ["!*"], "monitor": ["@monitor"], "scheduler": ["@scheduler"]}[kind]
        self._membership = Membership(
            cast("Store", store), 0, kind=kind, lines=lines, lease_ms=LEASE_MS, keeper=cast("Any", self)
        )
        self.actor = self._actor()
        self._renewing: dict[str, asyncio.Task[None]] = {}

    def _actor(self) -> Any:
        if self.kind == "monitor":
            return Reaper(self._membership, Verdicts(self._world.catalog, Levels()), report=self._world.report)
        if self.kind == "scheduler":
            return Scheduler(self._membership, report=self._world.report)
        slots = 1 if self.kind == "solo" else self._world.dice.choice([1, 2, 5])
        return Engine(self._membership, self.client, self._world.catalog, {}, concurrency=slots, threads=1)

    # what a LeaseKeeper does, in a task

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
        """It dies: nothing of it reaches the store from now on, and its handlers end."""
        self.wire.dead = True
        for task in self._renewing.values():
            task.cancel()
        if isinstance(self.actor, Engine):
            for running in list(self.actor._runner.running.values()):
                if running._task is not None:
                    running._task.cancel()

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


_present: list[World] = []
"""the world in which handlers run; making job types takes longer than a world"""


def _job_type(kind: str) -> jobd.JobType[Any, Any]:
    @jobd.job(kind, max_attempts=3, backoff="1s", timeout="20s" if kind == "slow" else None)
    async def handler(ctx: jobd.Context) -> None:
        await _present[0].handle(kind, ctx)

    return handler


@cache
def _catalog() -> Catalog:
    return Catalog([_job_type(kind) for kind in ("good", "bad", "shaky", "slow", "parent", "child")])


class World:
    """One seed. Raises Violation from `run` if anything does not hold."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.dice = random.Random(seed)
        self.weather = Weather(self.dice)
        self.oracle = Oracle(self.weather, self.dice)
        self.diary = Diary()
        self.broken: list[str] = []
        self.catalog = _catalog()
        _present[:] = [self]
        self.processes: list[Process] = []
        self._graves: list[Process] = []

    def report(self, name: str, error: BaseException) -> None:
        """An actor tells that it broke. Trouble with the store is none."""
        if not isinstance(error, StoreError):
            self.broken.append(f"{name}: {error!r}")

    async def handle(self, kind: str, ctx: jobd.Context) -> None:
        """What handlers do."""
        self.diary.runs.append((ctx.job.id, ctx.fence, ctx.attempt))
        await asyncio.sleep(self.dice.random() * (8 if kind == "slow" else 0.2))
        if kind == "bad" or (kind == "shaky" and ctx.attempt == 1):
            raise ValueError("no")
        if kind == "parent":
            await ctx.enqueue("child", id=f"{ctx.job.id}-child")

    # --- the course of things --------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Everything, from the first process to the last look."""
        for kind in ("worker", "worker", "solo", "monitor", "scheduler"):
            await self._start(kind)
        producer = asyncio.create_task(self._produce())
        await self._storm()
        await producer
        self.weather.calm = True
        for process in self.processes:
            process.wire.cut_until = 0.0
        for kind in ("worker", "solo", "monitor", "scheduler"):
            if not any(process.kind == kind for process in self.processes):
                await self._start(kind)
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not all(job.state in ENDED for job in self.oracle.model.jobs.values()):
                    await asyncio.sleep(1)
        except TimeoutError:
            left = {job.order.id: (job.state, job.holder) for job in self._jobs() if job.state not in ENDED}
            raise Violation(f"jobs did not end within {PATIENCE_S:g} s of calm: {left}") from None
        for process in self.processes:
            await process.stop()
        self._judge()

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

    async def _produce(self) -> None:
        wire = Wire(self.weather)
        client = Client(store=cast("Store", SimStore(self.oracle, wire)), catalog=self.catalog)
        shard = SimShard(self.oracle, wire)
        for number in range(self.dice.choice([2, 5, 10])):
            await asyncio.sleep(self.dice.random() * 4)
            kind = self.dice.choice(["good", "good", "bad", "shaky", "slow", "parent"])
            job_id, delay = f"j{number}", self.dice.choice([None, None, "3s"])
            try:
                await client.enqueue(kind, id=job_id, priority=self.dice.choice([1, 5, 5]), delay=delay)
            except StoreError:
                self.diary.unclear.add(job_id)
            else:
                self.diary.accepted.add(job_id)
            if self.dice.random() < 0.1:
                with suppress(StoreError):
                    if await shard.cancel(job_id) == "cancelled":
                        self.diary.cancelled[job_id] = len(self.diary.runs)

    async def _storm(self) -> None:
        end = asyncio.get_running_loop().time() + STORM_S
        while asyncio.get_running_loop().time() < end:
            await asyncio.sleep(self.dice.expovariate(1 / 8))
            process = self.dice.choice(self.processes)
            match self.dice.choice(["kill", "cut", "stop", "none"]):
                case "kill":
                    self._forget(process)
                    process.kill()
                    await self._start(process.kind)
                case "cut":
                    self.diary.faults += 1
                    process.wire.cut_until = (
                        asyncio.get_running_loop().time() + self.dice.random() * 3 * LEASE_MS / 1_000
                    )
                case "stop":
                    self._forget(process)
                    await process.stop()
                    await self._start(process.kind)

    def _forget(self, process: Process) -> None:
        self.diary.faults += 1
        self.processes.remove(process)
        self._graves.append(process)

    # --- the verdict -----------------------------------------------------------------------------------------------

    def _judge(self) -> None:
        diary, jobs = self.diary, self.oracle.model.jobs
        if self.broken:
            raise Violation(f"an actor broke: {self.broken}")
        if lost := diary.accepted - set(jobs):
            raise Violation(f"accepted, and not there: {sorted(lost)}")
        if strange := {job_id for job_id in jobs if not job_id.endswith("-child")} - diary.accepted - diary.unclear:
            raise Violation(f"there, and nobody asked for it: {sorted(strange)}")
        handed = Counter((job_id, fence) for job_id, fence, _ in self.oracle.delivered)
        ran = Counter((job_id, fence) for job_id, fence, _ in diary.runs)
        for key, times in ran.items():
            if times > 1 or handed[key] != 1:
                raise Violation(f"delivery {key} was handed over {handed[key]} times, and ran {times} times")
        for job_id, job in jobs.items():
            self._judge_job(job_id, job)

    def _judge_job(self, job_id: str, job: Any) -> None:
        runs = [attempt for each, _, attempt in self.diary.runs if each == job_id]
        kind = self.oracle.specs[job_id].type
        later = self.diary.runs[self.diary.cancelled.get(job_id, len(self.diary.runs)) :]
        if any(each == job_id for each, _, _ in later):
            raise Violation(f"{job_id} ran although it had been cancelled before")
        raises = {"bad": 3, "shaky": 1}.get(kind, 0)
        ends = "failed" if kind == "bad" else COMPLETED
        attempts = set(range(1, raises + (kind != "bad") + 1))
        if job.state not in (ends, CANCELLED) or not set(runs) <= attempts:
            raise Violation(f"{job_id} ({kind}) is {job.state} after attempts {runs}: only errors spend one")
        if job.state == ends and set(runs) != attempts:
            raise Violation(f"{job_id} ({kind}) is {job.state} after attempts {runs} alone")
        if kind == "parent" and (f"{job_id}-child" in self.oracle.model.jobs) != (job.state == COMPLETED):
            raise Violation(
                f"{job_id} is {job.state}, and its child {'is' if job.state != COMPLETED else 'is not'} there"
            )


@contextmanager
def simulated(seed: int) -> Iterator[AutojumpLoop]:
    """A loop whose clock is the only one, and dice that come from the seed."""
    loop = AutojumpLoop()
    before = clock.monotonic, clock.now_ms, clock.dice, clock.random_bits
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
