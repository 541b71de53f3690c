"""Batches: jobs that a handler takes in one call. Each has a slot, limits, a context and an outcome of its own; only
the call is one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from jobd import clock
from jobd.domain.batch import Batch
from jobd.domain.delivery import Delivery
from jobd.domain.jobtype import JobType
from jobd.domain.outcome import Ending, Outcome
from jobd.errors import StoreError
from jobd.roles.worker.endings import NO_THREAD, WAIT_FOR_THREAD_S, outcome_of, with_result
from jobd.roles.worker.running import Running
from jobd.roles.worker.threads import Ended, Threads
from jobd.sync_context import SyncContext

UNEXCUSED_MS = 10_000
"""for so long a job may wait for others without a word to the store: its margin has room for that"""
_Lot = tuple[str, str, str | None]
"""what may be in one batch: name of the type, and queue and group where groups are kept apart"""


class _Seat:
    """The place of a job in a batch."""

    def __init__(self, running: Running, payload: Any, ended: asyncio.Future[Outcome], since: float) -> None:
        self.running = running
        self.payload = payload
        self.ended = ended
        self.outcome: Outcome | None = None
        """how it ended, also when nobody waits for that any more"""
        self.since = since

    def end(self, outcome: Outcome) -> None:
        self.outcome = outcome
        if not self.ended.done():
            self.ended.set_result(outcome)


class _Call:
    """One call of a handler, and the jobs that it is for."""

    def __init__(self, lot: _Lot, job_type: JobType[Any, Any]) -> None:
        self.lot = lot
        self.job_type = job_type
        self.seats: list[_Seat] = []
        self.timer: asyncio.TimerHandle | None = None
        self.task: asyncio.Task[None] | None = None
        """from the moment on that nobody more is waited for"""
        self.begun = False
        """has the handler been called?"""
        self.stopped = False

    def fail(self, task: asyncio.Task[None]) -> None:
        """A fault of ours leaves nobody waiting."""
        if not task.cancelled() and (error := task.exception()) is not None:
            for seat in self.seats:
                if not seat.ended.done():
                    seat.ended.set_exception(error)


class Batches:
    """Collects jobs and calls their handlers. Belongs to one event loop; for one life: `close` ends it."""

    def __init__(
        self,
        threads: Threads,
        slots: int,
        limit: Callable[[Running, float], None],
        excuse: Callable[[Running, int], Awaitable[None]],
    ) -> None:
        """`slots`: more jobs than this are never here together, so that no batch waits for more. `limit` begins the
        limits of an attempt that was handed over so many milliseconds ago; `excuse` tells the store that nothing will
        be heard of one for so many from now on."""
        self._threads = threads
        self._slots = slots
        self._limit = limit
        self._excuse = excuse
        self._loop = asyncio.get_running_loop()
        self._gathering: dict[_Lot, _Call] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._hurries = False

    async def run(self, running: Running, job_type: JobType[Any, Any], batch: Batch, payload: Any) -> Outcome:
        """Runs a job together with others of its type. Raises CancelledError if it was stopped and did not end by
        itself."""
        since = clock.monotonic()
        if batch.wait_ms > UNEXCUSED_MS and (watched_ms := _watched_ms(running.delivery)):
            try:
                await self._excuse(running, batch.wait_ms + watched_ms)
            except StoreError as error:
                return Outcome(Ending.INTERRUPTED, reason=f"the store was not told that it waits for others: {error}")
        call = self._call_for(running, job_type, batch)
        seat = _Seat(running, payload, self._loop.create_future(), since)
        call.seats.append(seat)
        if len(call.seats) >= min(batch.size, self._slots) or _is_urgent(running.delivery, batch):
            self._begin(call)
        try:
            return await seat.ended
        except asyncio.CancelledError:
            await self._leave(call, seat)
            if seat.outcome is None:
                raise
            return seat.outcome

    def hurry(self) -> None:
        """No more jobs will come: no batch waits for any."""
        self._hurries = True
        for call in list(self._gathering.values()):
            self._begin(call)

    def close(self) -> None:
        """Cancels what runs."""
        for call in self._gathering.values():
            if call.timer is not None:
                call.timer.cancel()
        self._gathering.clear()
        for task in self._tasks:
            task.cancel()

    def _call_for(self, running: Running, job_type: JobType[Any, Any], batch: Batch) -> _Call:
        delivery = running.delivery
        group = None if batch.mixed else delivery.group
        lot = (job_type.name, "" if group is None else delivery.queue, group)
        call = self._gathering.get(lot)
        if call is None:
            call = self._gathering[lot] = _Call(lot, job_type)
            wait_s = 0.0 if self._hurries else batch.wait_ms / 1_000
            call.timer = self._loop.call_later(wait_s, self._begin, call)
        return call

    def _begin(self, call: _Call) -> None:
        self._gather_no_more(call)
        call.task = asyncio.create_task(self._run(call), name=f"batch of {call.job_type.name}")
        self._tasks.add(call.task)
        call.task.add_done_callback(self._tasks.discard)
        call.task.add_done_callback(call.fail)

    def _gather_no_more(self, call: _Call) -> None:
        if self._gathering.get(call.lot) is call:
            del self._gathering[call.lot]
        if call.timer is not None:
            call.timer.cancel()

    async def _run(self, call: _Call) -> None:
        job_type = call.job_type
        if not job_type.is_async and not await self._threads.wait_free(WAIT_FOR_THREAD_S):
            for seat in call.seats:
                seat.end(NO_THREAD)
            return
        call.begun = True
        value, error = await (self._in_loop(call) if job_type.is_async else self._in_thread(call))
        outcomes = _outcomes(call, value) if error is None else _failed(call, error)
        for seat, outcome in zip(call.seats, outcomes, strict=True):
            seat.end(outcome)

    async def _in_loop(self, call: _Call) -> Ended:
        contexts = [seat.running.context for seat in call.seats]
        self._begin_limits(call)
        try:
            return await call.job_type.prepare_batch([seat.payload for seat in call.seats], contexts)(), None
        except BaseException as error:  # noqa: BLE001  a handler may raise anything, SystemExit too
            return None, error

    async def _in_thread(self, call: _Call) -> Ended:
        contexts = [SyncContext(seat.running.context, self._loop) for seat in call.seats]
        thread = self._threads.start(call.job_type.prepare_batch([seat.payload for seat in call.seats], contexts))
        for seat in call.seats:
            seat.running.thread = thread
        self._begin_limits(call)
        return await asyncio.shield(thread)

    def _begin_limits(self, call: _Call) -> None:
        for seat in call.seats:
            self._limit(seat.running, (clock.monotonic() - seat.since) * 1_000)

    async def _leave(self, call: _Call, seat: _Seat) -> None:
        """A job was stopped. The others go on without it; if they are stopped too, so is the handler, and its end is
        awaited."""
        if not call.begun:
            call.seats.remove(seat)
            if not call.seats:
                self._gather_no_more(call)
                if call.task is not None:
                    call.task.cancel()
        elif seat.running.thread is None and all(other.running.stopped for other in call.seats):
            task = call.task
            if task is not None and not task.done():
                if not call.stopped:
                    call.stopped = True
                    task.cancel()
                await asyncio.wait({task})


def _watched_ms(delivery: Delivery) -> int:
    """How long the store hears nothing of a handler before it takes the job away; 0: for ever."""
    limits = (delivery.timeout_ms, delivery.limits.heartbeat_ms if delivery.limits else 0)
    return min(filter(None, limits), default=0)


def _is_urgent(delivery: Delivery, batch: Batch) -> bool:
    """Would its deadline pass while it waits for others?"""
    deadline_ms = delivery.limits.deadline_ms if delivery.limits else 0
    return 0 < deadline_ms <= delivery.started_ms + batch.wait_ms


def _outcomes(call: _Call, value: Any) -> list[Outcome]:
    """The handler returned a list with an entry for each job, which is a result or an exception; or what is the result
    of each."""
    seats, job_type = call.seats, call.job_type
    if not isinstance(value, list):
        return [with_result(value, job_type)] * len(seats)
    if len(value) != len(seats):
        message = (
            f"the handler returned a list of {len(value)} for a batch of {len(seats)}; return as many results as there "
            "are jobs, in their order"
        )
        return [Outcome(Ending.RAISED, error={"type": "BatchMismatch", "message": message}, final=True)] * len(seats)
    return [
        outcome_of(entry, seat.running) if isinstance(entry, BaseException) else with_result(entry, job_type)
        for seat, entry in zip(seats, value, strict=True)
    ]


def _failed(call: _Call, error: BaseException) -> list[Outcome]:
    return [outcome_of(error, seat.running) for seat in call.seats]
