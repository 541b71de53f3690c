"""Calls of handlers in this process: bound to payload and context, made in the loop, in a thread, or for a batch."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from jobd.catalog import Catalog
from jobd.domain.jobtype import JobType
from jobd.domain.outcome import Ending, ErrorRecord, Outcome
from jobd.errors import PayloadError, UnknownJobType
from jobd.roles.worker.batches import Batches
from jobd.roles.worker.endings import NO_THREAD, WAIT_FOR_THREAD_S, outcome_of, with_result
from jobd.roles.worker.error_record import record
from jobd.roles.worker.running import Running
from jobd.roles.worker.threads import Threads
from jobd.sync_context import SyncContext


class Calls:
    """Makes them in the tasks that ask for it. For one life: what it has is let go of by `close`."""

    def __init__(
        self,
        catalog: Catalog,
        threads: int,
        *,
        slots: int,
        limit: Callable[[Running, float], None],
        excuse: Callable[[Running, int], Awaitable[None]],
    ) -> None:
        """At most `slots` are under way at a time. `limit` begins the limits of an attempt that was handed over so many
        milliseconds ago; `excuse` tells the store that nothing will be heard of one for so many from now on."""
        self._catalog = catalog
        self._threads = Threads(threads)
        self._limit = limit
        self._batches = Batches(self._threads, slots, limit, excuse)
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        """Lets go of its threads without waiting for them."""
        self._batches.close()
        self._threads.close()

    def hurry(self) -> None:
        """No more jobs will come: none of those that are here waits for more of its kind."""
        self._batches.hurry()

    @property
    def threads_taken(self) -> bool:
        """Would a sync job have to wait for a thread?"""
        return self._threads.all_taken

    async def outcome(self, running: Running) -> Outcome:
        """Runs the handler of an attempt, whatever that does."""
        delivery, context = running.delivery, running.context
        try:
            job_type = running.job_type
            if job_type is None:
                if delivery.unreadable:
                    unreadable = ErrorRecord(type="UnreadableJob", message=delivery.unreadable)
                    return Outcome(Ending.RAISED, error=unreadable, final=True)
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
                self._limit(running, 0.0)
                return with_result(await call(), job_type)
            return await self._in_thread(running, call, job_type)
        except BaseException as error:  # noqa: BLE001  a handler may raise anything, SystemExit too
            return outcome_of(error, running)

    async def _in_thread(self, running: Running, call: Callable[[], Any], job_type: JobType[Any, Any]) -> Outcome:
        if not await self._threads.wait_free(WAIT_FOR_THREAD_S):
            return NO_THREAD
        running.thread = self._threads.start(call)
        self._limit(running, 0.0)
        value, error = await asyncio.shield(running.thread)
        return with_result(value, job_type) if error is None else outcome_of(error, running)
