"""The actors that play in these tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from anyio import Event, create_task_group, sleep, sleep_forever

from jobd.actors.actor import Actor
from jobd.actors.mailbox import Wakeup
from jobd.actors.message_actor import MessageActor
from jobd.actors.patience import Patience
from jobd.actors.timer import Tick, Timer

Journal = list[str]


class Broken(Exception):
    """What breaks on purpose."""


class Extra(Actor):
    """Writes each step into the journal, and may break or hang in one of them."""

    def __init__(self, name: str, journal: Journal, *, breaks_in: str = "", hangs_in: str = "") -> None:
        super().__init__(name)
        self.journal = journal
        self.breaks_in = breaks_in
        self.hangs_in = hangs_in
        self.hanging = Event()
        self._break = Event()

    @asynccontextmanager
    async def life(self) -> AsyncIterator[None]:
        await self._step("start")
        try:
            async with create_task_group() as tasks:
                tasks.start_soon(self._wait_to_break)
                yield
                tasks.cancel_scope.cancel()
        finally:
            await self._step("stop")

    async def quiet(self) -> None:
        await self._step("quiet")

    async def drain(self) -> None:
        await self._step("drain")

    async def interrupt(self) -> None:
        await self._step("interrupt")

    def break_now(self) -> None:
        """Let a child of the actor's own task group raise."""
        self._break.set()

    async def _wait_to_break(self) -> None:
        await self._break.wait()
        raise Broken(self.name)

    async def _step(self, step: str) -> None:
        self.journal.append(f"{self.name} {step}")
        if step == self.breaks_in:
            raise Broken(f"{self.name} {step}")
        if step == self.hangs_in:
            self.hanging.set()
            await sleep_forever()


class Bench(Actor):
    """Runs jobs as tasks, as a worker does: each ends in the journal as done or as given back."""

    def __init__(self, journal: Journal, name: str = "bench") -> None:
        super().__init__(name)
        self.journal = journal
        self.mercy = Event()
        """Ends the deaf jobs."""
        self._jobs: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def life(self) -> AsyncIterator[None]:
        self.journal.append(f"{self.name} open")
        yield
        await self.interrupt()
        self.journal.append(f"{self.name} closed")

    async def drain(self) -> None:
        if self._jobs:
            await asyncio.wait(self._jobs)

    async def interrupt(self) -> None:
        for job in self._jobs:
            job.cancel()
        await self.drain()

    def take(self, job: str, seconds: float) -> None:
        self._own(asyncio.create_task(self._run(job, seconds)))

    def take_deaf(self) -> None:
        """Run a job that swallows its cancellation."""
        self._own(asyncio.create_task(self._run_deaf()))

    def _own(self, job: asyncio.Task[None]) -> None:
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    async def _run(self, job: str, seconds: float) -> None:
        try:
            await sleep(seconds)
        except asyncio.CancelledError:
            self.journal.append(f"{job} given back")
            raise
        self.journal.append(f"{job} done")

    async def _run_deaf(self) -> None:
        while not self.mercy.is_set():
            try:
                await self.mercy.wait()
            except asyncio.CancelledError:
                continue


@dataclass(frozen=True, slots=True)
class Say:
    """A request: write this down."""

    word: str


@dataclass(frozen=True, slots=True)
class Look(Wakeup):
    """A wake-up that is not a tick."""


class Clerk(MessageActor[Say | Look | Tick]):
    """Writes down when it heard what, and breaks at the words of `taboo`."""

    def __init__(
        self, *, patience: Patience | None = None, capacity: int = 1000, interval: float | None = None
    ) -> None:
        self.reported: list[tuple[str, BaseException]] = []
        super().__init__(
            "clerk",
            report=lambda name, error: self.reported.append((name, error)),
            patience=patience,
            capacity=capacity,
        )
        if interval is not None:
            self.timers = (Timer(self.tell, Tick(), interval=interval, jitter=0),)
        self.taboo: set[str] = set()
        self.heard: list[tuple[float, Say | Look | Tick]] = []
        self.gate = Event()
        """Where `handle` waits for the word "wait"."""
        self.at_gate = Event()

    async def handle(self, message: Say | Look | Tick) -> None:
        self.heard.append((asyncio.get_running_loop().time(), message))
        if message == Say("wait"):
            self.at_gate.set()
            await self.gate.wait()
        if isinstance(message, Say) and message.word in self.taboo:
            raise Broken(message.word)

    @property
    def words(self) -> list[str]:
        return [message.word for _, message in self.heard if isinstance(message, Say)]

    @property
    def ticks(self) -> list[float]:
        return [when for when, message in self.heard if isinstance(message, Tick)]
