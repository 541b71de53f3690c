"""The twins of what operators ask, for programs that are not async."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

from jobd.control.filters import JobFilter
from jobd.control.jobs import KEEP
from jobd.domain.duration import Duration

if TYPE_CHECKING:
    from jobd.client import Client
    from jobd.domain.job import Job
    from jobd.domain.jobtype import JobType
    from jobd.domain.keywords import JobOptions, OptionsOfQueue
    from jobd.domain.limits import Limits
    from jobd.domain.operation import Operation, Preview
    from jobd.domain.queue import Pause, Queue
    from jobd.domain.queue_options import QueueOptions
    from jobd.domain.reason import Reason
    from jobd.domain.shard_facts import ShardFacts
    from jobd.domain.unique import KeyPage, UniqueKey
    from jobd.loop_thread import Runner
    from jobd.store.member import Member


class SyncJobControl:
    """The twin of JobControl."""

    _client: Client
    _run: Runner

    def promote(self, job_id: str) -> Job:
        """See Client.promote."""
        return self._run(self._client.promote, job_id)

    def reschedule(self, job_id: str, *, run_at: datetime | None = None, delay: Duration | None = None) -> Job:
        """See Client.reschedule."""
        return self._run(partial(self._client.reschedule, job_id, run_at=run_at, delay=delay))

    def change(self, job_id: str, *, data: object = KEEP, **options: Unpack[JobOptions]) -> Job:
        """See Client.change."""
        return self._run(partial(self._client.change, job_id, data=data, **options))

    def move(self, job_id: str, to: str, *, reason: str | None = None, **options: Unpack[JobOptions]) -> Job:
        """See Client.move."""
        return self._run(partial(self._client.move, job_id, to, reason=reason, **options))

    def duplicate(
        self, job_id: str, *, data: object = KEEP, id: str | None = None, **options: Unpack[JobOptions]
    ) -> Job:
        """See Client.duplicate."""
        return self._run(partial(self._client.duplicate, job_id, data=data, id=id, **options))

    def remove(self, job_id: str) -> None:
        """See Client.remove."""
        self._run(self._client.remove, job_id)


class SyncOperationControl:
    """The twin of OperationControl."""

    _client: Client
    _run: Runner

    def preview(self, verb: str, **which: Unpack[JobFilter]) -> Preview:
        """See Client.preview."""
        return self._run(partial(self._client.preview, verb, **which))

    def operate(
        self,
        verb: str,
        *,
        reason: str | None = None,
        to: str | None = None,
        changes: JobOptions | None = None,
        data: Mapping[str, Any] | None = None,
        most: int | None = None,
        **which: Unpack[JobFilter],
    ) -> Operation:
        """See Client.operate."""
        said = partial(self._client.operate, verb, reason=reason, to=to, changes=changes, data=data, most=most)
        return self._run(partial(said, **which))

    def operations(self) -> list[Operation]:
        """See Client.operations."""
        return self._run(self._client.operations)

    def operation(self, operation_id: str) -> Operation:
        """See Client.operation."""
        return self._run(self._client.operation, operation_id)

    def abort_operation(self, operation_id: str) -> Operation:
        """See Client.abort_operation."""
        return self._run(self._client.abort_operation, operation_id)

    def run_operation(self, operation_id: str, *, seconds: float | None = None) -> Operation:
        """See Client.run_operation."""
        return self._run(partial(self._client.run_operation, operation_id, seconds=seconds))


class SyncQueueControl:
    """The twin of QueueControl."""

    _client: Client
    _run: Runner

    def queues(self) -> dict[str, Queue]:
        """See Client.queues."""
        return self._run(self._client.queues)

    def pauses(self) -> list[Pause]:
        """See Client.pauses."""
        return self._run(self._client.pauses)

    def pause(
        self,
        queue: str | None = None,
        *,
        group: str | None = None,
        type: str | None = None,
        reason: str | None = None,
        by: str | None = None,
        until: datetime | Duration | None = None,
    ) -> Pause:
        """See Client.pause."""
        return self._run(partial(self._client.pause, queue, group=group, type=type, reason=reason, by=by, until=until))

    def resume(self, queue: str | None = None, *, group: str | None = None, type: str | None = None) -> bool:
        """See Client.resume."""
        return self._run(partial(self._client.resume, queue, group=group, type=type))

    def drain(self, queue: str, *, delayed: bool = False) -> int:
        """See Client.drain."""
        return self._run(partial(self._client.drain, queue, delayed=delayed))

    def clean(
        self,
        queue: str,
        *,
        status: str | Iterable[str] = "ended",
        older_than: Duration = 0,
        most: int | None = None,
    ) -> int:
        """See Client.clean."""
        return self._run(partial(self._client.clean, queue, status=status, older_than=older_than, most=most))

    def retry_failed(self, queue: str) -> int:
        """See Client.retry_failed."""
        return self._run(self._client.retry_failed, queue)

    def promote_delayed(self, queue: str) -> int:
        """See Client.promote_delayed."""
        return self._run(self._client.promote_delayed, queue)

    def obliterate(self, queue: str, *, force: bool = False) -> int:
        """See Client.obliterate."""
        return self._run(partial(self._client.obliterate, queue, force=force))


class SyncReportControl:
    """The twin of ReportControl."""

    _client: Client
    _run: Runner

    def set_progress(self, job_id: str, done: float, total: float | None = None, message: str | None = None) -> None:
        """See Client.set_progress."""
        self._run(self._client.set_progress, job_id, done, total, message)

    def add_log(
        self, job_id: str, text: str, *, level: str = "info", fields: Mapping[str, object] | None = None
    ) -> None:
        """See Client.add_log."""
        self._run(partial(self._client.add_log, job_id, text, level=level, fields=fields))


class SyncWhyControl:
    """The twin of WhyControl."""

    _client: Client
    _run: Runner

    def why(self, job_id: str) -> list[Reason]:
        """See Client.why."""
        return self._run(self._client.why, job_id)


class SyncUniqueControl:
    """The twin of UniqueControl."""

    _client: Client
    _run: Runner

    def unique_owner(
        self, job_type: JobType[Any, Any] | str, payload: object = None, **options: Unpack[JobOptions]
    ) -> UniqueKey | None:
        """See Client.unique_owner."""
        return self._run(partial(self._client.unique_owner, job_type, payload, **options))

    def unique_key(self, name: str) -> UniqueKey | None:
        """See Client.unique_key."""
        return self._run(self._client.unique_key, name)

    def unique_keys(self, *, limit: int = 50, cursor: str | None = None) -> KeyPage:
        """See Client.unique_keys."""
        return self._run(partial(self._client.unique_keys, limit=limit, cursor=cursor))

    def free_unique_key(self, name: str, *, owner: str | None = None) -> UniqueKey | None:
        """See Client.free_unique_key."""
        return self._run(partial(self._client.free_unique_key, name, owner=owner))


class SyncLimitControl:
    """The twin of LimitControl."""

    _client: Client
    _run: Runner

    def limits(self) -> list[Limits]:
        """See Client.limits."""
        return self._run(self._client.limits)

    def set_limits(
        self,
        *,
        queue: str | None = None,
        group: str | None = None,
        type: str | None = None,
        key: str | None = None,
        rate_key: str | None = None,
        **limits: Any,
    ) -> Limits:
        """See Client.set_limits."""
        named = {"queue": queue, "group": group, "type": type, "key": key, "rate_key": rate_key}
        return self._run(partial(self._client.set_limits, **named, **limits))


class SyncQueueOptionControl:
    """The twin of QueueOptionControl."""

    _client: Client
    _run: Runner

    def queue_options(self, queue: str) -> QueueOptions:
        """See Client.queue_options."""
        return self._run(self._client.queue_options, queue)

    def set_queue_options(self, queue: str, **options: Unpack[OptionsOfQueue]) -> QueueOptions:
        """See Client.set_queue_options."""
        return self._run(partial(self._client.set_queue_options, queue, **options))

    def reset_queue_options(self, queue: str) -> QueueOptions:
        """See Client.reset_queue_options."""
        return self._run(self._client.reset_queue_options, queue)


class SyncWorkerControl:
    """The twin of WorkerControl."""

    _client: Client
    _run: Runner

    def workers(self) -> list[Member]:
        """See Client.workers."""
        return self._run(self._client.workers)

    def worker(self, worker_id: str) -> Member:
        """See Client.worker."""
        return self._run(self._client.worker, worker_id)

    def quiet_worker(self, worker_id: str) -> None:
        """See Client.quiet_worker."""
        self._run(self._client.quiet_worker, worker_id)

    def stop_worker(self, worker_id: str) -> None:
        """See Client.stop_worker."""
        self._run(self._client.stop_worker, worker_id)

    def restart_worker(self, worker_id: str) -> None:
        """See Client.restart_worker."""
        self._run(self._client.restart_worker, worker_id)

    def order_worker(self, worker_id: str, what: str) -> None:
        """See Client.order_worker."""
        self._run(self._client.order_worker, worker_id, what)


class SyncShardControl:
    """The twin of ShardControl."""

    _client: Client
    _run: Runner

    def shards(self) -> list[ShardFacts]:
        """See Client.shards."""
        return self._run(self._client.shards)

    def spread_queues(self) -> list[str]:
        """See Client.spread_queues."""
        return self._run(self._client.spread_queues)

    def grow(self, shards: int) -> list[ShardFacts]:
        """See Client.grow."""
        return self._run(self._client.grow, shards)

    def check_growth(self, shards: int) -> int:
        """See Client.check_growth."""
        return self._run(self._client.check_growth, shards)
