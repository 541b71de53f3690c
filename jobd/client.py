"""The one way in: HTTP, the command line, schedules, running jobs and your program all call this."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, cast, overload

from jobd.control.filters import JobFilter
from jobd.control.queue_options import QueueOptionControl
from jobd.control.queues import QueueControl
from jobd.control.reports import ReportControl
from jobd.control.shards import ShardControl
from jobd.control.unique import UniqueControl
from jobd.control.why import WhyControl
from jobd.control.workers import WorkerControl
from jobd.domain.levels import Levels
from jobd.domain.options import read_options
from jobd.domain.state import State
from jobd.endings import Endings
from jobd.errors import JobCancelled, JobFailed, StateConflict, UniqueConflict
from jobd.handle import JobHandle, Outcome
from jobd.observers import Observers
from jobd.store.once import answer_to
from jobd.takers import Takers

# what only some questions need is imported where they are asked: commands that look are to answer at once
if TYPE_CHECKING:
    from jobd.catalog import Catalog
    from jobd.domain.job import Job, LogLine, Progress
    from jobd.domain.jobtype import JobType
    from jobd.domain.keywords import JobOptions
    from jobd.domain.queue import Queue
    from jobd.intake import Intake, Planned, Request
    from jobd.settings import Settings
    from jobd.store.once import Once
    from jobd.store.queries import Page
    from jobd.store.store import Store

P = TypeVar("P")
R = TypeVar("R")


class Client(QueueControl, QueueOptionControl, UniqueControl, ReportControl, WhyControl, WorkerControl, ShardControl):
    """Talks to the store. Use as an async context manager, or call `close()` in the end."""

    def __init__(
        self,
        url: str | None = None,
        *,
        store: Store | None = None,
        catalog: Catalog | None = None,
        settings: Settings | None = None,
    ) -> None:
        """`url` names the Redis, as `jobd.store_url` says. Without one it is the one that the settings name, or the
        embedded server of a `jobd run` on this machine. All else (prefix of keys, defaults, retention) is as the
        settings say, which are those of this process unless others are given, so that a client and the workers beside
        it mean the same store. It connects on first use. Raises SettingsError."""
        if store is None:
            from jobd.reach import reach

            if settings is None:
                from jobd.settings import load_settings

                settings = load_settings()
            store = reach(url, settings)
        self.store = store
        self._catalog = catalog
        self.observers = Observers(store, catalog)
        """tells plugins of the endings that this client and those who share it make"""
        self._without = settings.without if settings else ()
        self.levels = settings.levels if settings else Levels()
        """what holds where neither a job nor its type says anything, as far as it is known here"""
        self._intake: Intake | None = None
        self._endings = Endings(store)
        self._takers = Takers(store)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes its connections. Whoever asks anything of it after that, or waits for a result, gets
        ClientClosed."""
        await self._endings.close()
        await self.observers.drain()
        await self.store.close()

    @property
    def catalog(self) -> Catalog:
        """The job types known here: those of the installed plugins that the settings do not leave out, unless another
        catalog was given."""
        if self._catalog is None:
            from jobd.catalog import Catalog

            self._catalog = self.observers.catalog = Catalog.of_installed(without=self._without)
        return self._catalog

    @property
    def intake(self) -> Intake:
        """What checks requests before they are sent."""
        if self._intake is None:
            from jobd.intake import Intake

            self._intake = Intake(self.store, self.catalog, self.levels)
        return self._intake

    # --- in ------------------------------------------------------------------------------------------------------

    @overload
    async def enqueue(
        self,
        job_type: JobType[P, R],
        payload: P = ...,
        *,
        id: str | None = None,
        **options: Unpack[JobOptions],
    ) -> JobHandle[R]: ...
    @overload
    async def enqueue(
        self,
        job_type: str,
        payload: object = ...,
        *,
        id: str | None = None,
        **options: Unpack[JobOptions],
    ) -> JobHandle[Any]: ...
    async def enqueue(
        self,
        job_type: JobType[Any, Any] | str,
        payload: object = None,
        *,
        id: str | None = None,
        **options: Unpack[JobOptions],
    ) -> JobHandle[Any]:
        """Enqueues a job: when this returns, the store has it.

        `job_type` is a job type or the name of one; `payload` is what its handler takes. `id` may be chosen by the
        caller; then a second enqueue gives the existing job. The other options win over those of the job type: `queue`;
        `priority`, 1 (most urgent) to 10 or a name; `max_attempts`, the first run included, or `retries`, without it;
        `backoff`; `timeout` of one attempt; `delay` from now, or `run_at`, a datetime with a time zone; `unique`, as
        `jobd.Unique` says; `tags`; `metadata`. Durations are "2s", "5m", a timedelta, or seconds.

        Raises UnknownJobType, PayloadError listing each wrong field, OptionError naming the option, UniqueConflict if
        another job has its unique key and `on_conflict` is "error", StoreFull, and
        StoreUnavailable when it is unknown whether the store took the job; then the same call with the same `id` is
        safe.
        """
        own = read_options(options)
        plan = self.intake.plan_at_once(job_type, payload, own, id)
        if plan is None:
            from jobd.intake import Request

            (plan,) = await self.intake.plan([Request(job_type, payload, own, id)])
        made = await self.store.enqueue_one(plan.new_job)
        return self._handle(plan, *answer_to(plan.new_job, made))

    @overload
    async def enqueue_many(
        self, job_type: JobType[P, R], payloads: Iterable[P], **options: Unpack[JobOptions]
    ) -> list[JobHandle[R]]: ...
    @overload
    async def enqueue_many(
        self, job_type: str, payloads: Iterable[object], **options: Unpack[JobOptions]
    ) -> list[JobHandle[Any]]: ...
    @overload
    async def enqueue_many(
        self, job_type: Iterable[tuple[JobType[Any, Any] | str, object]], **options: Unpack[JobOptions]
    ) -> list[JobHandle[Any]]: ...
    async def enqueue_many(
        self,
        job_type: JobType[Any, Any] | str | Iterable[tuple[JobType[Any, Any] | str, object]],
        payloads: Iterable[object] | None = None,
        **options: Unpack[JobOptions],
    ) -> list[JobHandle[Any]]:
        """Enqueues any number of jobs, all of them or none: `payloads` of one type, or pairs of type and payload. The
        options are those of `enqueue`, for each of the jobs. Raises as `enqueue` does, before anything is stored."""
        from jobd.domain.jobtype import JobType
        from jobd.intake import Request

        shared = read_options(options)
        if isinstance(job_type, JobType | str):
            requests = [Request(job_type, payload, shared) for payload in payloads or ()]
        else:
            requests = [Request(wanted, payload, shared) for wanted, payload in job_type]
        return await self.enqueue_requests(requests)

    async def enqueue_requests(self, requests: Sequence[Request]) -> list[JobHandle[Any]]:
        """Enqueues jobs that differ in their options, all of them or none."""
        return await self.enqueue_planned(await self.intake.plan(requests))

    async def enqueue_planned(self, planned: Sequence[Planned]) -> list[JobHandle[Any]]:
        """Sends what `intake.plan` has checked."""
        jobs = [plan.new_job for plan in planned]
        made = await self.store.enqueue(jobs)
        answers = map(answer_to, jobs, made)
        return [self._handle(plan, *answer) for plan, answer in zip(planned, answers, strict=True)]

    async def enqueue_dated(self, planned: Planned) -> tuple[JobHandle[Any], float | None]:
        """Sends one job that `intake.plan` has checked. With its handle, when it was taken in, in milliseconds since
        1970; None if that is not known, or the job has not become what was planned."""
        made, created_ms = await self.store.enqueue_dated(planned.new_job)
        if self.levels.edition(planned.new_job.queue) != planned.new_job.edition:
            created_ms = None  # it was made anew on its way, by other options of its queue
        return self._handle(planned, *answer_to(planned.new_job, made)), created_ms

    async def enqueue_once(self, planned: Sequence[Planned], once: Once) -> tuple[list[JobHandle[Any]], bool]:
        """The same for a request that may come again within 24 hours: then it gives what it gave the first time, and
        True. Raises also IdempotencyMismatch if another request came under this name."""
        answers, before = await self.store.enqueue_once([plan.new_job for plan in planned], once)
        return [self._handle(plan, *answer) for plan, answer in zip(planned, answers, strict=True)], before

    def _handle(self, plan: Planned, what: str, job_id: str) -> JobHandle[Any]:
        new = plan.new_job
        outcome = cast("Outcome", what)
        if what == "existing" and job_id != new.id and plan.unique and plan.unique.on_conflict == "ignore":
            outcome, job_id = "ignored", new.id
        return JobHandle(
            self,
            job_id,
            plan.type_name,
            new.queue,
            job_type=plan.job_type,
            outcome=outcome,
            durability="replica" if new.replicated else "server",
        )

    # --- one job -------------------------------------------------------------------------------------------------

    async def get(self, job_id: str) -> Job:
        """The job as it is now. Raises JobNotFound."""
        return await self.store.get(job_id)

    async def logs(self, job_id: str) -> list[LogLine]:
        """What its handler logged, the oldest first; the last 1 000 lines are kept. Raises JobNotFound."""
        await self.store.get(job_id)
        return await self.store.logs(job_id)

    async def progress(self, job_id: str) -> Progress | None:
        """How far it says it is; None if it has not said anything. Raises JobNotFound."""
        return (await self.store.get(job_id)).progress

    async def wait(self, job_id: str, timeout: float | None = None) -> Job:
        """The job, once it is completed, failed or cancelled; waits up to `timeout` seconds (None: as long as needed).
        Raises ResultTimeout, JobNotFound."""
        return await self._endings.wait(job_id, timeout)

    async def result(self, job_id: str, timeout: float | None = None) -> Any:
        """What its handler returned, as plain JSON values; waits as `wait` does. Raises JobFailed, JobCancelled,
        ResultTimeout, JobNotFound."""
        job = await self.wait(job_id, timeout)
        if job.status is State.FAILED:
            error = job.error or {}
            words = f"{error.get('type', 'error')}: {error.get('message', job.reason or 'no reason was given')}"
            raise JobFailed(f"job {job.id} of type {job.type} failed in attempt {job.attempt}: {words}", dict(error))
        if job.status is State.CANCELLED:
            raise JobCancelled(f"job {job.id} of type {job.type} was cancelled: {job.reason or 'no reason was given'}")
        return job.result

    async def cancel(self, job_id: str, *, reason: str | None = None) -> Job:
        """Cancels a job. One that has not started is cancelled at once; for a running one its worker is told, which
        stops it (`cancel_requested` is then true until it has). Cancelling a cancelled job changes nothing.
        Raises JobNotFound, and StateConflict if it has completed or failed."""
        began_us = await self.store.shards_of(job_id)[0].now_us() if self.observers.wanted else 0
        word = await self.store.cancel(job_id, {"reason": reason or "cancelled on request"})
        if word in (State.COMPLETED, State.FAILED):
            raise StateConflict(f"job {job_id} is {word} already; only a job that has not ended can be cancelled")
        job = await self.get(job_id)
        ended_ms = round(job.finished_at.timestamp() * 1_000) if job.finished_at else 0
        if began_us and ended_ms >= began_us // 1_000 and job.status is State.CANCELLED:
            self.observers.tell(job)  # it was this call that ended it
        return job

    async def retry(self, job_id: str) -> Job:
        """Runs a job that has failed, completed or been cancelled again, with all its attempts; those it had stay in
        its history. Raises JobNotFound, StateConflict if it has not ended, and UniqueConflict if another job has its
        unique key."""
        word = await self.store.retry(job_id)
        what, _, other = word.partition(" ")
        if what == "unique":
            raise UniqueConflict(f"job {other} has the unique key of job {job_id}; it is not run again", other)
        if word != State.WAITING:
            raise StateConflict(f"job {job_id} is {word}; only a job that has ended can be retried")
        return await self.get(job_id)

    # --- many ----------------------------------------------------------------------------------------------------

    async def hint(self, job: Job) -> str | None:
        """Why no worker takes this waiting job; None if one will, or if it does not wait."""
        return await self.hint_for(job.queue, job.type) if job.status is State.WAITING else None

    async def hint_for(self, queue: str, type_name: str) -> str | None:
        """Why no worker takes jobs of this type that wait in this queue; None if one will."""
        return await self._takers.hint(queue, type_name)

    async def queue_hints(self, queues: Iterable[Queue]) -> dict[str, str]:
        """For those of the queues in which jobs wait that no worker takes: why, by the name of the queue."""
        return await self._takers.queue_hints(queues)

    async def list(self, *, limit: int = 50, cursor: str | None = None, **which: Unpack[JobFilter]) -> Page:
        """A page of up to `limit` (1 to 200) jobs that fit: `status` is a state or a word for one or several, such as
        "pending"; `date` a day in UTC on which they were created; `type`, `queue`, `created_after`, `created_before`,
        `finished_before`, `tags` (all of them) and `metadata` (these facts, equal). Active jobs come first, then
        waiting ones in the order of service, then delayed, blocked, failed, completed and cancelled ones. Raises
        InvalidRequest."""
        from jobd.store.queries import list_jobs

        return await list_jobs(self.store, self.filter_of(which), limit=limit, cursor=cursor)
