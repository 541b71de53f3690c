"""What a handler that is not async is given."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, Unpack, cast, overload

from jobd.domain.duration import Duration
from jobd.domain.job import Job
from jobd.domain.jobtype import JobType
from jobd.domain.keywords import JobOptions
from jobd.handle import JobHandle
from jobd.joblog import JobLog

if TYPE_CHECKING:
    from jobd.context import Context
    from jobd.domain.delivery import Delivery
    from jobd.loop_thread import Runner
    from jobd.sync import SyncClient

T = TypeVar("T")
P = TypeVar("P")
R = TypeVar("R")


class SyncContext:
    """What a sync handler, which runs in a thread, is given: the same names, not awaited."""

    __jobd_context__: ClassVar[str] = "sync"
    __slots__ = ("_context", "_loop")

    def __init__(self, context: Context, loop: asyncio.AbstractEventLoop) -> None:
        self._context = context
        self._loop = loop

    @property
    def job(self) -> Delivery:
        """See Context.job."""
        return self._context.delivery

    @property
    def attempt(self) -> int:
        """See Context.attempt."""
        return self._context.attempt

    @property
    def last_attempt(self) -> bool:
        """See Context.last_attempt."""
        return self._context.last_attempt

    @property
    def fence(self) -> int:
        """See Context.fence."""
        return self._context.fence

    @property
    def cancelled(self) -> bool:
        """See Context.cancelled. A thread cannot be stopped from outside: a handler that takes long looks here."""
        return self._context.cancelled

    @property
    def client(self) -> SyncClient:
        """For all that a client can do, at once and whatever becomes of this attempt; its names are not awaited."""
        from jobd.sync import SyncClient  # here, because few handlers need it

        return SyncClient.over(self._context.client, cast("Runner", self.call))

    @property
    def log(self) -> JobLog:
        """See Context.log."""
        return self._context.log

    def call(self, function: Callable[..., Awaitable[T]], *arguments: Any, **named: Any) -> T:
        """Awaits `function(…)` in the worker's loop and returns what it returns."""

        async def run() -> T:
            return await function(*arguments, **named)

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result()

    def read(self) -> Job:
        """See Context.read."""
        return self.call(self._context.read)

    def progress(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """See Context.progress."""
        self.call(self._context.progress, done, total, message)

    def heartbeat(self) -> None:
        """See Context.heartbeat."""
        self.call(self._context.heartbeat)

    def extend(self, more: Duration) -> None:
        """See Context.extend."""
        self.call(self._context.extend, more)

    @overload
    def service(self, wanted: type[T]) -> T: ...
    @overload
    def service(self, wanted: str) -> Any: ...
    def service(self, wanted: type[T] | str) -> Any:
        """See Context.service."""
        return self._context.service(cast("type[T]", wanted))

    @overload
    def enqueue(
        self, job_type: JobType[P, R], payload: P = ..., *, id: str | None = None, **options: Unpack[JobOptions]
    ) -> JobHandle[R]: ...
    @overload
    def enqueue(
        self, job_type: str, payload: object = ..., *, id: str | None = None, **options: Unpack[JobOptions]
    ) -> JobHandle[Any]: ...
    def enqueue(
        self,
        job_type: JobType[Any, Any] | str,
        payload: object = None,
        *,
        id: str | None = None,
        **options: Unpack[JobOptions],
    ) -> JobHandle[Any]:
        """See Context.enqueue."""
        return self.call(self._context.enqueue, job_type, payload, id=id, **options)
