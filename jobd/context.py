"""What a handler is given: its job, and the ways to speak while it runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, Unpack, overload

from jobd import clock
from jobd.domain.duration import Duration, milliseconds
from jobd.domain.job import Job
from jobd.domain.jobtype import JobType
from jobd.domain.keywords import JobOptions
from jobd.domain.options import read_options
from jobd.errors import LeaseLost, OptionError
from jobd.handle import JobHandle
from jobd.intake import Request
from jobd.joblog import JobLog
from jobd.store.reports import progress_words
from jobd.store.shard import BATCH_BYTES, DEADLINE_MARGIN_MS

if TYPE_CHECKING:
    from jobd.client import Client
    from jobd.domain.delivery import Delivery, NewJob
    from jobd.services import Services
    from jobd.store.shard import Shard

T = TypeVar("T")
P = TypeVar("P")
R = TypeVar("R")

_FRESH_S = 2.0
MOST_CHILDREN = 500
"""jobs that one attempt may enqueue through its context"""


class Limits(Protocol):
    """The limits of time of an attempt, in the hands of the one that runs it."""

    heartbeat_ms: int

    @property
    def left_ms(self) -> int:
        """How long it may go on if it says nothing more; 0 if for ever."""

    def beat(self) -> None:
        """It was heard of."""

    def extend(self, ms: int) -> None:
        """It may run for so long from now on."""


class Context:
    """What an async handler is given."""

    __jobd_context__: ClassVar[str] = "async"
    __slots__ = (
        "_children_size",
        "_log",
        "_loop",
        "_services",
        "_shard",
        "_told_at",
        "cancelled",
        "children",
        "client",
        "closed",
        "delivery",
        "limits",
    )

    def __init__(
        self, delivery: Delivery, shard: Shard, client: Client, services: Services, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.delivery = delivery
        self._loop = loop
        self._shard = shard
        self._services = services
        self._log: JobLog | None = None
        self.client = client
        """for all that a client can do, at once and whatever becomes of this attempt"""
        self.children: list[NewJob] | None = None
        """what was enqueued through this context, for the one that settles"""
        self._children_size = 0
        self.closed = False
        """True once this attempt has ended"""
        self.cancelled = False
        """True once this attempt should end: somebody cancelled the job, its time is over, or its worker stops"""
        self.limits: Limits | None = None
        """the limits of time of this attempt, if it has any; set by the one that runs it"""
        self._told_at = 0.0

    @property
    def job(self) -> Delivery:
        """The job, as it was delivered: id, type, queue, priority, attempt, max_attempts, …"""
        return self.delivery

    @property
    def attempt(self) -> int:
        """The number of this attempt; 1 on the first."""
        return self.delivery.attempt

    @property
    def last_attempt(self) -> bool:
        """Is no attempt left after this one?"""
        return self.delivery.attempt >= self.delivery.max_attempts

    @property
    def fence(self) -> int:
        """A number that grows with each delivery of the job. Give it to outside systems that can refuse a smaller one,
        and a worker that was thought dead cannot overwrite what its successor did."""
        return self.delivery.fence

    async def read(self) -> Job:
        """The job as the store has it now: payload, tags, metadata and earlier attempts included."""
        return await self.client.get(self.delivery.id)

    async def progress(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """Says how far the work is. Raises OptionError for what is no finite number, and LeaseLost if this attempt does
        not hold the job any more."""
        await self._say("progress", progress_words(done, total, message))
        limits = self.limits
        if limits is not None and limits.heartbeat_ms:
            limits.beat()
            if (clock.monotonic() - self._told_at) * 4_000 > limits.heartbeat_ms:
                await self._tell_limits(limits)

    async def heartbeat(self) -> None:
        """Says that the work goes on, as `progress` does too: the `heartbeat_timeout` of this attempt starts anew. Its
        other limits stay. Raises LeaseLost if this attempt does not hold the job any more."""
        if self.limits is not None:
            self.limits.beat()
            await self._tell_limits(self.limits)

    async def extend(self, more: Duration) -> None:
        """Gives this attempt more time: its `timeout` ends so long from now. A deadline of the job stays. Raises
        OptionError for what is no duration, and LeaseLost if this attempt does not hold the job any more."""
        ms = milliseconds(more, name="extend", least=1)
        if self.limits is not None:
            self.limits.extend(ms)
            self.limits.beat()
            await self._tell_limits(self.limits)

    async def _tell_limits(self, limits: Limits) -> None:
        self._told_at = clock.monotonic()
        if left_ms := limits.left_ms:
            await self._say("heartbeat", left_ms + DEADLINE_MARGIN_MS)

    @property
    def log(self) -> JobLog:
        """A logger whose lines are kept with the job: `ctx.log.info("sent", recipient=…)`."""
        if self._log is None:
            self._log = JobLog(self.delivery, self._shard, self._loop)
        return self._log

    @property
    def has_logged(self) -> bool:
        """May there be log lines that are still on their way?"""
        return self._log is not None

    async def flush(self) -> None:
        """Waits until the log lines written so far are with the job."""
        if self._log is not None:
            await self._log.flush()

    @overload
    def service(self, wanted: type[T]) -> T: ...
    @overload
    def service(self, wanted: str) -> Any: ...
    def service(self, wanted: type[T] | str) -> Any:
        """What a plugin offers under a type or a name. Raises PluginError if none does."""
        return self._services.get(wanted)

    @overload
    async def enqueue(
        self, job_type: JobType[P, R], payload: P = ..., *, id: str | None = None, **options: Unpack[JobOptions]
    ) -> JobHandle[R]: ...
    @overload
    async def enqueue(
        self, job_type: str, payload: object = ..., *, id: str | None = None, **options: Unpack[JobOptions]
    ) -> JobHandle[Any]: ...
    async def enqueue(
        self,
        job_type: JobType[Any, Any] | str,
        payload: object = None,
        *,
        id: str | None = None,
        **options: Unpack[JobOptions],
    ) -> JobHandle[Any]:
        """Enqueues a job that becomes real together with the completion of this one: if this attempt fails or is lost,
        it never was, so that a re-run never enqueues twice. Takes what `Client.enqueue` takes, checks it now, and
        raises what that raises; OptionError for more than 500 jobs in one attempt. A `delay` counts from the
        completion. For an immediate enqueue use `ctx.client.enqueue`."""
        return await self.enqueue_request(Request(job_type, payload, read_options(options), id))

    async def enqueue_request(self, request: Request) -> JobHandle[Any]:
        """The same for what has been read before."""
        # a queue that is new must not be taken for one that lives here because the store has grown since
        await self.client.store.learn(fresh_s=_FRESH_S)
        planned = (await self.client.intake.plan([request], near=self._shard.number))[0]
        new = planned.new_job
        await self.client.store.settle_home(new.queue)
        if self.children is None:
            self.children = []
        self._children_size += len(new.spec)
        if self.closed:
            raise LeaseLost(f"the attempt of job {self.delivery.id} has ended; what it enqueues now would be lost")
        if self.client.store.shard_of_new(new) != self._shard.number:
            raise OptionError(
                f"queue {new.queue!r}: it lives in another shard than the job that runs, and nothing becomes real in "
                "two shards at one moment; use ctx.client.enqueue, with an id of your own against repeats"
            )
        if len(self.children) >= MOST_CHILDREN or self._children_size > BATCH_BYTES:
            raise OptionError(
                f"ctx.enqueue takes up to {MOST_CHILDREN} jobs of {BATCH_BYTES:,} bytes together in one attempt; use "
                "ctx.client.enqueue_many"
            )
        self.children.append(new)
        return JobHandle(self.client, new.id, planned.type_name, new.queue, job_type=planned.job_type, pending=True)

    async def _say(self, what: str, words: bytes | int) -> None:
        if not await self._shard.say(self.delivery, what, words):
            raise LeaseLost(f"job {self.delivery.id} is not in the hands of this attempt any more; stop working on it")
