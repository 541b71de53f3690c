"""Runs one attempt of a job, and always comes back with an outcome: no exception of a handler gets past here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from jobd.catalog import Catalog
from jobd.context import Context
from jobd.domain.delivery import Delivery
from jobd.domain.failure import TimedOut
from jobd.domain.isolation import Isolation
from jobd.domain.outcome import Outcome
from jobd.roles.worker.attempt_limits import AttemptLimits
from jobd.roles.worker.calls import Calls
from jobd.roles.worker.deadlines import Deadlines
from jobd.roles.worker.endings import outcome_of, ruled_outcome
from jobd.roles.worker.isolated_calls import IsolatedCalls
from jobd.roles.worker.nursery import Nursery
from jobd.roles.worker.running import Key, Running
from jobd.store.own_options import own_options
from jobd.store.shard import DEADLINE_MARGIN_MS

if TYPE_CHECKING:
    from jobd.client import Client
    from jobd.services import Services
    from jobd.store.shard import Shard

Settle = Callable[[Delivery, Outcome, Context], None]


class Runner:
    """Runs attempts in the tasks that call it. For one life: what it has is let go of by `close`."""

    def __init__(
        self,
        catalog: Catalog,
        shard: Shard,
        client: Client,
        services: Services,
        threads: int,
        nursery: Nursery,
        *,
        slots: int,
        settle: Settle,
        on_late_end: Callable[[], None],
        on_fault: Callable[[Exception], None],
    ) -> None:
        """At most `slots` attempts are here at a time; `settle` is handed the outcome of each. `on_late_end` is called
        when a thread ends whose attempt was settled before: there is room again. `on_fault` is told an error that is a
        fault of ours, and not one to go on with."""
        self.running: dict[Key, Running] = {}
        self._settle = settle
        self._on_late_end = on_late_end
        self._on_fault = on_fault
        self._catalog = catalog
        self._shard = shard
        self._client = client
        self._services = services
        self._deadlines = Deadlines()
        self._calls = Calls(catalog, threads, slots=slots, limit=self._limit, excuse=self._excuse)
        self._isolated = IsolatedCalls(nursery, shard, limit=self._limit)
        self._loop = asyncio.get_running_loop()

    async def close(self) -> None:
        """Lets go of its threads without waiting for them, and ends the processes of handlers."""
        self._calls.close()
        self._deadlines.close()
        await self._isolated.close()

    def hurry(self) -> None:
        """No more jobs will come: none of those that are here waits for more of its kind."""
        self._calls.hurry()

    @property
    def threads_taken(self) -> bool:
        """Would a sync job have to wait for a thread?"""
        return self._calls.threads_taken

    @property
    def stuck(self) -> int:
        """How many handlers go on after their attempt has been settled."""
        return sum(1 for running in self.running.values() if running.ended)

    async def run(self, delivery: Delivery) -> None:
        """Runs one attempt and settles it; returns when its slot is free again. Never raises."""
        context = Context(delivery, self._shard, self._client, self._services, self._loop)
        task = asyncio.current_task(self._loop)
        running = Running(delivery, context, task)
        key = delivery.id, delivery.fence
        self.running[key] = running
        try:
            job_type = running.job_type = self._catalog.find(delivery.type)
            if (job_type is not None and job_type.options.isolation) or b'"isolation"' in delivery.options:
                outcome = await self._outcome(running)
            else:
                outcome = await self._calls.outcome(running)
            running.outcome = outcome
            if task is not None and task.cancelling():
                await _calm(task)
            if running.limits is not None:
                running.limits.end()
            if context.has_logged and not running.ended:
                await context.flush()
            if running.ended:
                return  # it heeded no stop, and somebody has settled it since
            running.ended = True
            context.closed = True
            self._settle(delivery, outcome, context)
            if running.thread is not None and not running.thread.done():
                await asyncio.wait({running.thread})  # settled, but its slot is not free before its thread is
                self._on_late_end()
        except Exception as error:  # noqa: BLE001  no handler's error comes so far
            self._on_fault(error)
        finally:
            del self.running[key]

    async def _outcome(self, running: Running) -> Outcome:
        isolation = _isolation_of(running)
        if isolation is None:
            return await self._calls.outcome(running)
        try:
            return await self._isolated.outcome(running, isolation)
        except BaseException as error:  # noqa: BLE001  a stop at any moment, and whatever keeps a process from starting
            return outcome_of(error, running)

    def _limit(self, running: Running, waited_ms: float = 0.0) -> None:
        delivery = running.delivery
        if not delivery.timeout_ms and delivery.limits is None:
            return

        def late(outcome: Outcome, error: TimedOut | None) -> None:
            running.stop(outcome if error is None else ruled_outcome(outcome, error, running), sync_too=True)

        running.limits = running.context.limits = AttemptLimits(delivery, self._deadlines, late)
        running.limits.begin(waited_ms)

    async def _excuse(self, running: Running, ms: int) -> None:
        """Nothing will be heard of an attempt for so long, and all is well."""
        await self._shard.say(running.delivery, "heartbeat", ms + DEADLINE_MARGIN_MS)


def _isolation_of(running: Running) -> Isolation | None:
    """None if its handler runs in this process."""
    said = own_options(running.delivery.options).isolation
    if said is None and running.job_type is not None:
        said = running.job_type.options.isolation  # whoever enqueued it did not know its type
    return said if said is not None and said.process else None


async def _calm(task: asyncio.Task[Any]) -> None:
    """The slot goes on: a cancellation that was meant for one handler must not reach the next one."""
    while task.cancelling():
        task.uncancel()
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(0)  # one that was asked for and never delivered arrives here
