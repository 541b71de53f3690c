"""The supervisor: one way up, one flight of stairs down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from anyio import CancelScope, create_task_group, current_time, sleep_forever
from anyio.lowlevel import checkpoint_if_cancelled

from jobd.actors.actor import Actor, Report

Step = Literal["quiet", "drain", "interrupt", "stop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shutdown:
    """How a supervisor went down."""

    reason: Literal["asked", "failed", "cancelled"]
    """Asked to stop, an actor failed or could not start, or the task that ran the supervisor was cancelled."""
    stubborn: tuple[str, ...]
    """The actors of which something did not end in time, in the order of their start. If there are any, the process
    should leave hard: a normal exit would wait for them."""
    error: BaseException | None
    """What failed, or else the first error on the way down."""


class Supervisor:
    """Starts actors in order and takes them down the same stairs for every reason, in reverse.

    The way down: all are made quiet; one after the other is drained, until the grace ends for all together; those with
    something left are interrupted, all at once; one after the other is stopped, so that each outlives what was built
    on it.

    The climb, the grace and the descent are three cancel scopes, and each way to press the supervisor ends one of them.
    Every step is taken in a task of its own, which can be left behind when it is stubborn; a task group would wait for
    it, and would cancel all the others when one fails.

    A supervisor is for one run, and is made while the event loop runs. `last_wait` is how many seconds each step gets
    that should take no time: quiet, interrupt and stop.
    """

    def __init__(self, *, report: Report, last_wait: float = 3.0) -> None:
        self.shutdown: Shutdown | None = None
        """Set when `run` ends, in whatever way."""
        self._report = report
        self._last_wait = last_wait
        self._up = CancelScope()
        self._grace = CancelScope()
        self._down = CancelScope(shield=True)
        self._error: BaseException | None = None
        self._steps: dict[asyncio.Task[None], Actor] = {}
        self._stubborn: set[Actor] = set()

    def request_stop(self) -> None:
        """Go down. Before the start: nothing starts. Nothing the second time."""
        self._up.cancel()

    def hurry(self) -> None:
        """Go down, and the grace ends now."""
        self._up.cancel()
        self._grace.cancel()

    def abandon(self) -> None:
        """Go down, and wait for nothing more: `run` ends at once, and whatever is left shows as stubborn."""
        self.hurry()
        self._down.cancel()

    async def run(
        self, actors: Iterable[Actor], *, grace: float = 25.0, on_ready: Callable[[], None] = lambda: None
    ) -> Shutdown:
        """Start the actors, call `on_ready`, and go down when asked to or when an actor fails. `grace` is in seconds.

        The actors may come from a generator: each is asked for when those before it are ready, and none after a stop.
        Returns how it went. Raises what failed, and then `shutdown` says how it went. When cancelled it goes down as at
        any other time and the cancellation goes on; a second `Task.cancel` ends the waiting as `abandon` does.
        """
        stack: list[Actor] = []
        reason: Literal["asked", "failed", "cancelled"] = "cancelled"
        try:
            with self._up:
                await self._climb(actors, stack, on_ready)
            reason = "asked" if self._error is None else "failed"
        finally:
            try:
                with self._down:
                    await self._descend(stack[::-1], grace)
            finally:
                left = {*self._stubborn, *self._steps.values(), *(actor for actor in stack if actor.alive)}
                stubborn = tuple(actor.name for actor in stack if actor in left)
                self.shutdown = Shutdown(reason=reason, stubborn=stubborn, error=self._error)
        if self._error is not None:
            raise self._error
        return self.shutdown

    async def _climb(self, actors: Iterable[Actor], stack: list[Actor], on_ready: Callable[[], None]) -> None:
        """Start what there is and stay up until the scope ends it."""
        async with create_task_group() as watchers:
            try:
                await checkpoint_if_cancelled()
                for actor in actors:
                    stack.append(actor)
                    await actor.start()
                    watchers.start_soon(self._watch, actor)
                    await checkpoint_if_cancelled()
                on_ready()
            except Exception as error:  # noqa: BLE001  it goes up when all is down
                self._fail(error)
            await sleep_forever()

    async def _watch(self, actor: Actor) -> None:
        self._fail(await actor.wait_failed())

    def _fail(self, error: BaseException) -> None:
        if self._error is None:
            self._error = error
        self._up.cancel()

    async def _descend(self, actors: Sequence[Actor], grace: float) -> None:
        self._grace.deadline = current_time() + grace
        await self._take("quiet", [actor for actor in actors if actor.ready])
        left = await self._drain([actor for actor in actors if actor.ready])
        await self._take("interrupt", [actor for actor in left if actor.ready])
        for actor in actors:
            await self._take("stop", [actor])

    async def _drain(self, actors: Sequence[Actor]) -> list[Actor]:
        """Drain one after the other and return those that still have something running when the grace ends."""
        left = list(actors)
        with self._grace:
            for actor in actors:
                drain = self._begin("drain", actor)
                try:
                    await asyncio.wait({drain})
                finally:
                    drain.cancel()
                if not drain.cancelled() and drain.exception() is None:
                    left.remove(actor)
        return left

    async def _take(self, step: Step, actors: Sequence[Actor]) -> None:
        """Take one short step with all these actors at once; who is not done when the wait ends is left behind."""
        steps = {self._begin(step, actor): actor for actor in actors}
        try:
            if steps:
                await asyncio.wait(steps, timeout=self._last_wait)
        finally:
            for task, actor in steps.items():
                if task.cancel():
                    self._stubborn.add(actor)

    def _begin(self, step: Step, actor: Actor) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(getattr(actor, step)(), name=f"{actor.name}: {step}")
        self._steps[task] = actor
        task.add_done_callback(partial(self._end, actor))
        return task

    def _end(self, actor: Actor, task: asyncio.Task[None]) -> None:
        del self._steps[task]
        error = None if task.cancelled() else task.exception()
        if error is not None and error is not self._error:
            self._report(actor.name, error)
            if self._error is None:
                self._error = error
