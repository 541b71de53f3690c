"""The client for programs that are not async: Django, Flask, scripts. Behind it an event loop runs in a thread."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, Unpack, overload

from jobd.client import Client
from jobd.control.filters import JobFilter
from jobd.control.sync import (
    SyncJobControl,
    SyncLimitControl,
    SyncOperationControl,
    SyncQueueControl,
    SyncQueueOptionControl,
    SyncReportControl,
    SyncShardControl,
    SyncUniqueControl,
    SyncWhyControl,
    SyncWorkerControl,
)
from jobd.loop_thread import LoopThread, Runner

if TYPE_CHECKING:
    from jobd.catalog import Catalog
    from jobd.domain.job import Job, LogLine, Progress
    from jobd.domain.jobtype import JobType
    from jobd.domain.keywords import JobOptions
    from jobd.domain.queue import Queue
    from jobd.domain.reason import Reason
    from jobd.domain.state import State
    from jobd.handle import JobHandle
    from jobd.intake import Request
    from jobd.settings import Settings
    from jobd.store.queries import Page
    from jobd.store.store import Store

P = TypeVar("P")
R = TypeVar("R")


class SyncJobHandle(Generic[R]):
    """What `SyncClient.enqueue` returns; R is the type of the job's result. The twin of JobHandle."""

    __slots__ = ("_handle", "_run", "created", "durability", "id", "outcome", "pending", "queue", "type")

    def __init__(self, run: Runner, handle: JobHandle[R]) -> None:
        self._run = run
        self._handle = handle
        self.id = handle.id
        self.type = handle.type
        self.queue = handle.queue
        self.created = handle.created
        """Did this enqueue make the job?"""
        self.outcome = handle.outcome
        """See JobHandle.outcome."""
        self.durability = handle.durability
        """See JobHandle.durability."""
        self.pending = handle.pending
        """True: enqueued by a running handler; it becomes a job when that handler's job is completed"""

    def __repr__(self) -> str:
        return repr(self._handle)

    def result(self, timeout: float | None = None) -> R:
        """See JobHandle.result."""
        return self._run(self._handle.result, timeout)

    def get(self) -> Job:
        """See JobHandle.get."""
        return self._run(self._handle.get)

    def status(self) -> State:
        """See JobHandle.status."""
        return self._run(self._handle.status)

    def why(self) -> list[Reason]:
        """See JobHandle.why."""
        return self._run(self._handle.why)

    def cancel(self, reason: str | None = None) -> Job:
        """See JobHandle.cancel."""
        return self._run(self._handle.cancel, reason)

    def retry(self) -> Job:
        """See JobHandle.retry."""
        return self._run(self._handle.retry)


class SyncClient(
    SyncJobControl,
    SyncOperationControl,
    SyncQueueControl,
    SyncLimitControl,
    SyncQueueOptionControl,
    SyncUniqueControl,
    SyncReportControl,
    SyncWhyControl,
    SyncWorkerControl,
    SyncShardControl,
):
    """The twin of Client: the same names, not awaited. Any number of threads may use one. It connects on first use; a
    process that forks (gunicorn with preload, multiprocessing) opens one in each child."""

    _client: Client

    def __init__(
        self,
        url: str | None = None,
        *,
        store: Store | None = None,
        catalog: Catalog | None = None,
        settings: Settings | None = None,
    ) -> None:
        """See Client. Raises SettingsError."""
        self._client = Client(url, store=store, catalog=catalog, settings=settings)
        self._thread = LoopThread("jobd client")
        self._run: Runner = self._thread.run

    @classmethod
    def over(cls, client: Client, run: Runner) -> Self:
        """The twin of a client that belongs to another loop: `run` awaits there. `close` leaves that client open."""
        twin = cls.__new__(cls)
        twin._client, twin._thread, twin._run = client, LoopThread("unused"), run
        return twin

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes its connections and ends its thread. Calls of other threads that still wait raise ClientClosed."""
        self._thread.close(self._client.close)

    @property
    def catalog(self) -> Catalog:
        """See Client.catalog."""
        return self._client.catalog

    # --- in ------------------------------------------------------------------------------------------------------

    @overload
    def enqueue(
        self,
        job_type: JobType[P, R],
        payload: P = ...,
        *,
        id: str | None = None,
        **options: Unpack[JobOptions],
    ) -> SyncJobHandle[R]: ...
    @overload
    def enqueue(
        self,
        job_type: str,
        payload: object = ...,
        *,
        id: str | None = None,
        **options: Unpack[JobOptions],
    ) -> SyncJobHandle[Any]: ...
    def enqueue(
        self,
        job_type: JobType[Any, Any] | str,
        payload: object = None,
        *,
        id: str | None = None,
        **options: Unpack[JobOptions],
    ) -> SyncJobHandle[Any]:
        """See Client.enqueue: when this returns, the store has the job."""
        return self._handled(self._run(partial(self._client.enqueue, job_type, payload, id=id, **options)))

    @overload
    def enqueue_many(
        self, job_type: JobType[P, R], payloads: Iterable[P], **options: Unpack[JobOptions]
    ) -> list[SyncJobHandle[R]]: ...
    @overload
    def enqueue_many(
        self, job_type: str, payloads: Iterable[object], **options: Unpack[JobOptions]
    ) -> list[SyncJobHandle[Any]]: ...
    @overload
    def enqueue_many(
        self, job_type: Iterable[tuple[JobType[Any, Any] | str, object]], **options: Unpack[JobOptions]
    ) -> list[SyncJobHandle[Any]]: ...
    def enqueue_many(
        self,
        job_type: JobType[Any, Any] | str | Iterable[tuple[JobType[Any, Any] | str, object]],
        payloads: Iterable[object] | None = None,
        **options: Unpack[JobOptions],
    ) -> list[SyncJobHandle[Any]]:
        """See Client.enqueue_many: all of them or none."""
        enqueue_many: Any = self._client.enqueue_many
        return [self._handled(handle) for handle in self._run(partial(enqueue_many, job_type, payloads, **options))]

    def enqueue_requests(self, requests: Sequence[Request]) -> list[SyncJobHandle[Any]]:
        """See Client.enqueue_requests."""
        return [self._handled(handle) for handle in self._run(self._client.enqueue_requests, requests)]

    # --- one job -------------------------------------------------------------------------------------------------

    def get(self, job_id: str) -> Job:
        """See Client.get."""
        return self._run(self._client.get, job_id)

    def logs(self, job_id: str) -> list[LogLine]:
        """See Client.logs."""
        return self._run(self._client.logs, job_id)

    def progress(self, job_id: str) -> Progress | None:
        """See Client.progress."""
        return self._run(self._client.progress, job_id)

    def wait(self, job_id: str, timeout: float | None = None) -> Job:
        """See Client.wait."""
        return self._run(self._client.wait, job_id, timeout)

    def result(self, job_id: str, timeout: float | None = None) -> Any:
        """See Client.result."""
        return self._run(self._client.result, job_id, timeout)

    def cancel(self, job_id: str, *, reason: str | None = None) -> Job:
        """See Client.cancel."""
        return self._run(partial(self._client.cancel, job_id, reason=reason))

    def retry(self, job_id: str) -> Job:
        """See Client.retry."""
        return self._run(self._client.retry, job_id)

    # --- many ----------------------------------------------------------------------------------------------------

    def hint(self, job: Job) -> str | None:
        """See Client.hint."""
        return self._run(self._client.hint, job)

    def queue_hints(self, queues: Iterable[Queue]) -> dict[str, str]:
        """See Client.queue_hints."""
        return self._run(self._client.queue_hints, queues)

    def _handled(self, handle: JobHandle[Any]) -> SyncJobHandle[Any]:
        return SyncJobHandle(self._run, handle)

    def list(self, *, limit: int = 50, cursor: str | None = None, **which: Unpack[JobFilter]) -> Page:
        """See Client.list."""
        return self._run(partial(self._client.list, limit=limit, cursor=cursor, **which))
