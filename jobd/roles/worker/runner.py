"""Runs one attempt of a job, and always comes back with an outcome: no exception of a handler gets past here."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from jobd.catalog import Catalog
from jobd.context import Context, SyncContext
from jobd.domain.delivery import Delivery
from jobd.domain.jobtype import JobType
from jobd.domain.outcome import RETURNED, Ending, ErrorRecord, Outcome
from jobd.domain.signals import Cancel, Fail, Retry, Signal, Snooze
from jobd.errors import PayloadError, UnknownJobType
from jobd.roles.worker.deadlines import Deadlines

if TYPE_CHECKING:
    from jobd.client import Client
    from jobd.services import Services
    from jobd.store.shard import Shard

LONGEST_MESSAGE = 4_096
LONGEST_TRACEBACK = 16_384


class Running:
    """An attempt that runs, and the way to stop it. Only the handler is ever stopped, never what settles it."""

    __slots__ = ("_task", "context", "deadline", "delivery", "ended", "stopped")

    def __init__(self, delivery: Delivery, context: Context, task: asyncio.Task[Any] | None) -> None:
        self.delivery = delivery
        self.context = context
        self.stopped: Outcome | None = None
        """how it ends if the stop takes effect"""
        self.ended = False
        self.deadline: int | None = None
        self._task = task

    def stop(self, outcome: Outcome, *, sync_too: bool) -> None:
        """Tells the handler to end; if it then does not return by itself, `outcome` is how it ended. A handler in a
        thread is left behind if `sync_too`, else only told. Nothing the second time."""
        if self.ended:
            return
        self.context.cancelled = True
        if self.stopped is None and self._task is not None and (sync_too or not isinstance(self, RunningInThread)):
            self.stopped = outcome
            self._task.cancel()


class RunningInThread(Running):
    """An attempt whose handler runs in a thread, which nobody can stop."""

    __slots__ = ("thread",)

    thread: Future[Any]


class Runner:
    """Runs attempts in the tasks that call it."""

    def __init__(self, catalog: Catalog, shard: Shard, client: Client, services: Services, threads: int) -> None:
        self.running: dict[str, Running] = {}
        """by job id"""
        self._catalog = catalog
        self._shard = shard
        self._client = client
        self._services = services
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="jobd handler")
        self._deadlines = Deadlines()
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        """Lets go of its threads without waiting for them."""
        self._deadlines.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    @property
    def stuck(self) -> int:
        """How many threads go on with an attempt that has been settled."""
        return sum(1 for running in self.running.values() if running.ended)

    async def run(self, delivery: Delivery, settle: Callable[[Outcome, Context], None]) -> None:
        """Runs one attempt and hands its outcome to `settle`; returns when its slot is free again."""
        context = Context(delivery, self._shard, self._client, self._services, self._loop)
        try:
            job_type = self._catalog.type_named(delivery.type)
            if job_type.is_async:
                outcome = await self._run_async(delivery, context, job_type.prepare(delivery.payload, context))
            else:
                await self._run_in_thread(delivery, context, job_type, settle)
                return
            outcome = _with_result(outcome, job_type)
        except (PayloadError, UnknownJobType) as error:
            outcome = Outcome(Ending.RAISED, error=_record(error, traced=False), final=True)
        await context.flush()
        settle(outcome, context)

    async def _run_async(self, delivery: Delivery, context: Context, call: Callable[[], Any]) -> Any:
        running = Running(delivery, context, asyncio.current_task())
        self.running[delivery.id] = running
        if delivery.timeout_ms:
            self._limit(running)
        try:
            return await call()
        except BaseException as error:  # noqa: BLE001  a handler may raise anything, SystemExit too
            return _outcome_of(error, running)
        finally:
            running.ended = True
            del self.running[delivery.id]
            if running.deadline is not None:
                self._deadlines.drop(running.deadline)

    async def _run_in_thread(
        self,
        delivery: Delivery,
        context: Context,
        job_type: JobType[Any, Any],
        settle: Callable[[Outcome, Context], None],
    ) -> None:
        call = job_type.prepare(delivery.payload, SyncContext(context, self._loop))
        running = RunningInThread(delivery, context, asyncio.current_task())
        self.running[delivery.id] = running
        running.thread = self._threads.submit(copy_context().run, call)
        if delivery.timeout_ms:
            self._limit(running)
        try:
            try:
                value = await asyncio.shield(asyncio.wrap_future(running.thread))
                outcome = _with_result(value, job_type)
            except BaseException as error:  # noqa: BLE001  the same
                outcome = _outcome_of(error, running)
            running.ended = True
            if running.deadline is not None:
                self._deadlines.drop(running.deadline)
            await context.flush()
            settle(outcome, context)
            if not running.thread.done():
                # settled, but its slot is not free before its thread is
                with suppress(Exception):
                    await asyncio.shield(asyncio.wrap_future(running.thread))
        finally:
            del self.running[delivery.id]

    def _limit(self, running: Running) -> None:
        seconds = running.delivery.timeout_ms / 1_000
        message = f"the attempt ran for more than {seconds:g} s"
        late = Outcome(Ending.TIMED_OUT, error={"type": "TimeoutError", "message": message}, reason=message)

        def begin() -> None:
            if running.deadline is not None:
                self._deadlines.drop(running.deadline)
            running.deadline = self._deadlines.add(seconds, lambda: running.stop(late, sync_too=True))

        running.context.prolong = begin
        begin()


def _with_result(value: Any, job_type: JobType[Any, Any]) -> Outcome:
    if isinstance(value, Outcome):
        return value
    if value is None:
        return RETURNED
    try:
        return Outcome(Ending.RETURNED, result=job_type.encode_result(value))
    except Exception as error:  # noqa: BLE001  whatever a foreign type raises when it is turned into JSON
        message = f"the handler returned something that is not the JSON of its result type: {error}"
        return Outcome(Ending.RAISED, error={"type": type(error).__name__, "message": message}, final=True)


def _outcome_of(error: BaseException, running: Running) -> Outcome:
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        if running.stopped is not None and task is not None:
            task.uncancel()
            return running.stopped
        if task is not None and task.cancelling():
            raise error  # the slot itself is closed
    match error:
        case Retry():
            return Outcome(Ending.RAISED, error=_record(error, traced=False), after_ms=error.after_ms)
        case Snooze():
            return Outcome(Ending.SNOOZED, reason=error.reason, after_ms=error.after_ms, until_ms=error.until_ms)
        case Cancel():
            return Outcome(Ending.CANCELLED, reason=error.reason)
        case Fail():
            return Outcome(Ending.RAISED, error=_record(error, traced=False), final=True)
        case _:
            return Outcome(Ending.RAISED, error=_record(error))


def _record(error: BaseException, *, traced: bool = True) -> ErrorRecord:
    kind = type(error)
    name = kind.__name__ if isinstance(error, Signal) or kind.__module__ == "builtins" else _full_name(kind)
    record = ErrorRecord(type=name, message=_text(error)[:LONGEST_MESSAGE])
    if traced:
        # the first lines say who called, the last ones what broke: when it is too long, the middle goes
        lines = "".join(traceback.format_exception(error))
        if len(lines) > LONGEST_TRACEBACK:
            half = LONGEST_TRACEBACK // 2
            lines = f"{lines[:half]}\n  … {len(lines) - 2 * half} characters left out …\n{lines[-half:]}"
        record["traceback"] = lines
    return record


def _full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001  an exception that cannot even say what it is
        return f"<{type(error).__name__} without words>"
