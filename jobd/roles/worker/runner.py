"""Runs one attempt of a job, and always comes back with an outcome: no exception of a handler gets past here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jobd import clock
from jobd.catalog import Catalog
from jobd.context import Context, SyncContext
from jobd.domain.delivery import Delivery
from jobd.domain.failure import Failure, TimedOut
from jobd.domain.jobtype import JobType
from jobd.domain.outcome import RETURNED, Ending, Outcome
from jobd.domain.ruling import ruled, signalled
from jobd.domain.signals import Fail, Retry, Signal
from jobd.errors import PayloadError, UnknownJobType
from jobd.intake import LARGEST_PAYLOAD
from jobd.roles.worker.attempt_context import within
from jobd.roles.worker.attempt_limits import AttemptLimits
from jobd.roles.worker.deadlines import Deadlines
from jobd.roles.worker.error_record import record, words_of
from jobd.roles.worker.threads import Ended, Threads
from jobd.store.codec import own_options

if TYPE_CHECKING:
    from jobd.client import Client
    from jobd.services import Services
    from jobd.store.shard import Shard

LARGEST_RESULT = LARGEST_PAYLOAD
WAIT_FOR_THREAD_S = 5.0
"""how long a sync job waits here for a thread, before it goes back for another worker to take"""
_NO_THREAD = Outcome(Ending.INTERRUPTED, reason=f"no thread was free for it within {WAIT_FOR_THREAD_S:g} s")

Key = tuple[str, int]
"""id of a job and fence of its delivery: a later delivery may run beside a thread left behind by an earlier one"""
Settle = Callable[[Outcome, Context], None]


class Running:
    """An attempt that runs, and the way to stop it. Only the handler is ever stopped, never what settles it."""

    __slots__ = (
        "_task",
        "context",
        "delivery",
        "ended",
        "job_type",
        "limits",
        "outcome",
        "stopped",
        "stopped_at",
        "thread",
    )

    def __init__(self, delivery: Delivery, context: Context, task: asyncio.Task[Any] | None) -> None:
        self.delivery = delivery
        self.context = context
        self.stopped: Outcome | None = None
        """how it ends if the stop takes effect"""
        self.stopped_at: float | None = None
        """when that was, by the monotonic clock"""
        self.ended = False
        """is its outcome settled? A thread left behind, or a handler that heeds no stop, may go on for a while"""
        self.outcome: Outcome | None = None
        """how it ended, once it has; its log lines may still be on their way"""
        self.limits: AttemptLimits | None = None
        self.job_type: JobType[Any, Any] | None = None
        """once it is known"""
        self.thread: asyncio.Future[Ended] | None = None
        """the call of a sync handler, once it has begun"""
        self._task = task

    def stop(self, outcome: Outcome, *, sync_too: bool) -> None:
        """Tells the handler to end; if it then does not return by itself, `outcome` is how it ended. A handler in a
        thread, which nobody can stop, is left behind if `sync_too`, else only told. Nothing the second time."""
        if self.ended or self.outcome is not None:
            return
        self.context.cancelled = True
        if self.stopped is None and self._task is not None and (sync_too or self.thread is None):
            self.stopped, self.stopped_at = outcome, clock.monotonic()
            self._task.cancel()


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
        on_late_end: Callable[[], None],
    ) -> None:
        """`on_late_end` is called when a thread ends whose attempt was settled before: there is room again."""
        self.running: dict[Key, Running] = {}
        self._on_late_end = on_late_end
        self._catalog = catalog
        self._shard = shard
        self._client = client
        self._services = services
        self._threads = Threads(threads)
        self._deadlines = Deadlines()
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        """Lets go of its threads without waiting for them."""
        self._deadlines.close()
        self._threads.close()

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
            if job_type.is_async:
                call = job_type.prepare(delivery.payload, context)
            else:
                call = job_type.prepare(delivery.payload, SyncContext(context, self._loop))
        except (PayloadError, UnknownJobType) as error:
            return Outcome(Ending.RAISED, error=record(error, traced=False), final=True)
        except BaseException as error:  # noqa: BLE001  the validators of a payload are foreign code too
            return Outcome(Ending.RAISED, error=record(error))
        try:
            if job_type.is_async:
                self._limit(running)
                return _with_result(await within(copy_context(), call()), job_type)
            return await self._in_thread(running, call, job_type)
        except BaseException as error:  # noqa: BLE001  a handler may raise anything, SystemExit too
            return _outcome_of(error, running)

    async def _in_thread(self, running: Running, call: Callable[[], Any], job_type: JobType[Any, Any]) -> Outcome:
        if not await self._threads.wait_free(WAIT_FOR_THREAD_S):
            return _NO_THREAD
        running.thread = self._threads.start(call)
        self._limit(running)
        value, error = await asyncio.shield(running.thread)
        return _with_result(value, job_type) if error is None else _outcome_of(error, running)

    def _limit(self, running: Running) -> None:
        delivery = running.delivery
        if not delivery.timeout_ms and delivery.limits is None:
            return

        def late(outcome: Outcome, error: TimedOut | None) -> None:
            running.stop(outcome if error is None else _ruled(outcome, error, running), sync_too=True)

        running.limits = running.context.limits = AttemptLimits(delivery, self._deadlines, late)
        running.limits.begin()


async def _calm(task: asyncio.Task[Any]) -> None:
    """The slot goes on: a cancellation that was meant for one handler must not reach the next one."""
    while task.cancelling():
        task.uncancel()
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(0)  # one that was asked for and never delivered arrives here


def _with_result(value: Any, job_type: JobType[Any, Any]) -> Outcome:
    if value is None:
        return RETURNED
    try:
        result = job_type.encode_result(value)
    except BaseException as error:  # noqa: BLE001  whatever a foreign type raises when it is turned into JSON
        message = f"the handler returned something that is not the JSON of its result type: {words_of(error)}"
        return Outcome(Ending.RAISED, error={"type": type(error).__name__, "message": message}, final=True)
    if len(result) > LARGEST_RESULT:
        message = (
            f"the result has {len(result):,} bytes, and {LARGEST_RESULT:,} are allowed; keep large data elsewhere and "
            "return where it is"
        )
        return Outcome(Ending.RAISED, error={"type": "ResultTooLarge", "message": message}, final=True)
    return Outcome(Ending.RETURNED, result=result)


def _outcome_of(error: BaseException, running: Running) -> Outcome:
    if isinstance(error, asyncio.CancelledError) and running.stopped is not None:
        return running.stopped
    own = running.job_type.__module__ if running.job_type is not None else ""
    failed = Outcome(Ending.RAISED, error=record(error, traced=not isinstance(error, Signal), own=own))
    if isinstance(error, Retry | Fail):
        return signalled(error, failed, "")
    if isinstance(error, Signal):  # on purpose, and no failure
        return signalled(error, replace(failed, error=None), words_of(error))
    return _ruled(failed, error, running)


def _ruled(failed: Outcome, error: BaseException, running: Running) -> Outcome:
    if running.job_type is None:
        return failed
    delivery = running.delivery
    own = delivery.options != b"" and own_options(delivery.options).backoff is not None
    return ruled(failed, Failure(delivery, error), running.job_type.error_rules, own_backoff=own)
