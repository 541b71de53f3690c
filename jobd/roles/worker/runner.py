"""Runs one attempt of a job, and always comes back with an outcome: no exception of a handler gets past here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from jobd.catalog import Catalog
from jobd.context import Context, SyncContext
from jobd.domain.delivery import Delivery
from jobd.domain.failure import TimedOut
from jobd.domain.jobtype import JobType
from jobd.domain.outcome import Ending, Outcome
from jobd.errors import PayloadError, UnknownJobType
from jobd.roles.worker.attempt_context import within
from jobd.roles.worker.attempt_limits import AttemptLimits
from jobd.roles.worker.batches import Batches
from jobd.roles.worker.deadlines import Deadlines
from jobd.roles.worker.endings import NO_THREAD, WAIT_FOR_THREAD_S, outcome_of, ruled_outcome, with_result
from jobd.roles.worker.error_record import record
from jobd.roles.worker.running import Key, Running
from jobd.roles.worker.threads import Threads
from jobd.store.shard import DEADLINE_MARGIN_MS

if TYPE_CHECKING:
    from jobd.client import Client
    from jobd.services import Services
    from jobd.store.shard import Shard

Settle = Callable[[Outcome, Context], None]


class Runner:
    """Runs attempts in the tasks that call it. For one life: what it has is let go of by `close`."""

    def __init__(
        self,
        catalog: Catalog,
        shard: Shard,
        client: Client,
        services: Services,
        threads: int,
        *,
        slots: int,
        on_late_end: Callable[[], None],
    ) -> None:
        """At most `slots` attempts are here at a time. `on_late_end` is called when a thread ends whose attempt was
        settled before: there is room again."""
        self.running: dict[Key, Running] = {}
        self._on_late_end = on_late_end
        self._catalog = catalog
        self._shard = shard
        self._client = client
        self._services = services
        self._threads = Threads(threads)
        self._deadlines = Deadlines()
        self._batches = Batches(self._threads, slots, self._limit, self._excuse)
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        """Lets go of its threads without waiting for them."""
        self._batches.close()
        self._deadlines.close()
        self._threads.close()

    def hurry(self) -> None:
        """No more jobs will come: none of those that are here waits for more of its kind."""
        self._batches.hurry()

    @property
    def threads_taken(self) -> bool:
        """Would a sync job have to wait for a thread?"""
        return self._threads.all_taken

    @property
    def stuck(self) -> int:
        """How many handlers go on after their attempt has been settled."""
        return sum(1 for running in self.running.values() if running.ended)

    async def run(self, delivery: Delivery, settle: Settle) -> None:
        """Runs one attempt and hands its outcome to `settle`; returns when its slot is free again."""
        context = Context(delivery, self._shard, self._client, self._services, self._loop)
        task = asyncio.current_task()
        running = Running(delivery, context, task)
        key = delivery.id, delivery.fence
        self.running[key] = running
        try:
            outcome = running.outcome = await self._outcome(running)
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
            settle(outcome, context)
            if running.thread is not None and not running.thread.done():
                await asyncio.wait({running.thread})  # settled, but its slot is not free before its thread is
                self._on_late_end()
        finally:
            del self.running[key]

    async def _outcome(self, running: Running) -> Outcome:
        delivery, context = running.delivery, running.context
        try:
            job_type = running.job_type = self._catalog.type_named(delivery.type)
            if (batch := job_type.batch) is not None:
                payload = job_type.shape.decode(delivery.payload)
            elif job_type.is_async:
                call = job_type.prepare(delivery.payload, context)
            else:
                call = job_type.prepare(delivery.payload, SyncContext(context, self._loop))
        except (PayloadError, UnknownJobType) as error:
            return Outcome(Ending.RAISED, error=record(error, traced=False), final=True)
        except BaseException as error:  # noqa: BLE001  the validators of a payload are foreign code too
            return Outcome(Ending.RAISED, error=record(error))
        try:
            if batch is not None:
                return await self._batches.run(running, job_type, batch, payload)
            if job_type.is_async:
                self._limit(running)
                return with_result(await within(copy_context(), call()), job_type)
            return await self._in_thread(running, call, job_type)
        except BaseException as error:  # noqa: BLE001  a handler may raise anything, SystemExit too
            return outcome_of(error, running)

    async def _in_thread(self, running: Running, call: Callable[[], Any], job_type: JobType[Any, Any]) -> Outcome:
        if not await self._threads.wait_free(WAIT_FOR_THREAD_S):
            return NO_THREAD
        running.thread = self._threads.start(call)
        self._limit(running)
        value, error = await asyncio.shield(running.thread)
        return with_result(value, job_type) if error is None else outcome_of(error, running)

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


async def _calm(task: asyncio.Task[Any]) -> None:
    """The slot goes on: a cancellation that was meant for one handler must not reach the next one."""
    while task.cancelling():
        task.uncancel()
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(0)  # one that was asked for and never delivered arrives here
