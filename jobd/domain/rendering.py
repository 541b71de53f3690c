"""How jobs, and what belongs to them, read as plain JSON: the field names of the API and of `--output json`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from jobd.domain.calendar import written
from jobd.domain.job import Attempt, Job, LogLine, Progress
from jobd.domain.limits import Limits
from jobd.domain.operation import Operation
from jobd.domain.options import NONE, ROWS, Options
from jobd.domain.queue import Pause, Queue
from jobd.domain.queue_options import QueueOptions, named
from jobd.domain.reason import Reason
from jobd.domain.shard_facts import ShardFacts
from jobd.domain.state import State
from jobd.domain.unique import UniqueKey
from jobd.errors import InvalidRequest, JobdError, UniqueConflict

_OF_EVERY_JOB = frozenset({"queue", "priority", "max_attempts", "timeout_ms", "backoff", "tags", "metadata"})
_MORE = [row for row in ROWS.values() if row.reads_back and row.convert is None and row.field not in _OF_EVERY_JOB]
"""the options that only some jobs have"""


def time_to_json(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC with milliseconds: "2026-01-31T08:00:00.000Z"; None for None."""
    if moment is None:
        return None
    return written(moment)


def job_to_json(job: Job) -> dict[str, Any]:
    """A job as it reads back."""
    return {
        "id": job.id,
        "type": job.type,
        "queue": job.queue,
        "status": job.status.value,
        "data": job.data,
        "priority": job.priority,
        "attempt": job.attempt,
        "max_attempts": job.max_attempts,
        "deliveries": job.deliveries,
        "timeout_ms": job.timeout_ms,
        "backoff": job.backoff.to_json() if job.backoff else None,
        "tags": list(job.tags),
        "metadata": dict(job.metadata),
        "progress": progress_to_json(job.progress),
        "result": job.result,
        "error": dict(job.error) if job.error else None,
        "reason": job.reason,
        "cancel_requested": job.cancel_requested,
        "origin": job.origin,
        "moved_to": job.moved_to,
        "worker": job.worker,
        "created_at": time_to_json(job.created_at),
        "run_at": time_to_json(job.run_at),
        "started_at": time_to_json(job.started_at),
        "finished_at": time_to_json(job.finished_at),
        "duration_ms": job.duration_ms,
        "attempts": [attempt_to_json(attempt) for attempt in job.attempts],
        **more_options(job.options),
        **({"unique_key": job.unique_key} if job.unique_key else {}),
    }


def more_options(options: Options) -> dict[str, Any]:
    """The options that a job has besides those that every job has."""
    if options is NONE:
        return {}
    return {row.wire: row.kind.to_json(value) for row in _MORE if (value := getattr(options, row.field)) is not None}


def attempt_to_json(attempt: Attempt) -> dict[str, Any]:
    """One run of a job's handler."""
    return {
        "number": attempt.number,
        "worker": attempt.worker,
        "started_at": time_to_json(attempt.started_at),
        "finished_at": time_to_json(attempt.finished_at),
        "duration_ms": attempt.duration_ms,
        "outcome": attempt.outcome.value if attempt.outcome else None,
        "error": dict(attempt.error) if attempt.error else None,
        "reason": attempt.reason,
    }


def progress_to_json(progress: Progress | None) -> dict[str, Any] | None:
    """How far a job says it is; None if it has not said anything."""
    if progress is None:
        return None
    return {
        "done": progress.done,
        "total": progress.total,
        "percent": progress.percent,
        "message": progress.message,
        "updated_at": time_to_json(progress.at),
    }


def log_line_to_json(line: LogLine) -> dict[str, Any]:
    """One line that a handler logged."""
    return {
        "at": time_to_json(line.at),
        "attempt": line.attempt,
        "level": line.level,
        "text": line.text,
        "fields": dict(line.fields),
    }


def queue_to_json(queue: Queue, hint: str | None = None) -> dict[str, Any]:
    """A queue: how many of its jobs are in each state, how many have not ended, what is paused, and a hint why nobody
    takes some of those that wait."""
    return {
        "name": queue.name,
        "counts": {state.value: queue[state] for state in State},
        "unfinished": queue.unfinished,
        "paused": pause_to_json(queue.paused) if queue.paused else None,
        "paused_groups": [pause_to_json(pause) for pause in queue.paused_groups],
        "hint": hint,
    }


def pause_to_json(pause: Pause) -> dict[str, Any]:
    """What is paused, by whom, why and until when."""
    return {
        "queue": pause.queue,
        "group": pause.group,
        "type": pause.type,
        "reason": pause.reason,
        "by": pause.by,
        "at": time_to_json(pause.at),
        "until": time_to_json(pause.until),
    }


def reason_to_json(reason: Reason) -> dict[str, Any]:
    """One thing that keeps a job from running now."""
    return {
        "cause": reason.cause.value,
        "message": reason.message,
        "until": time_to_json(reason.until),
        "job": reason.job,
        "ahead": reason.ahead,
    }


def limits_to_json(limits: Limits) -> dict[str, Any]:
    """What limits a queue, a group, a type or a key."""
    target = {"group": ("queue", "group"), "rate": ("rate_key",)}.get(limits.scope, (limits.scope.value,))
    return {
        "scope": limits.scope.value,
        **dict(zip(target, limits.names, strict=True)),
        "limits": limits.holds,
        "set": sorted(limits.set),
    }


def queue_options_to_json(said: QueueOptions) -> dict[str, Any]:
    """What a queue says of its jobs."""
    return {"queue": said.queue, "options": said.holds.to_json(), "set": named(said.set)}


def operation_to_json(operation: Operation) -> dict[str, Any]:
    """An operation, and how far it is."""
    return {
        "id": operation.id,
        "action": operation.verb.value,
        "status": operation.stage.value,
        "filter": dict(operation.filter),
        "arguments": dict(operation.arguments),
        "seen": operation.seen,
        "done": operation.done,
        "skipped": operation.skipped,
        "failed": operation.failed,
        "errors": [dict(error) for error in operation.errors],
        "began_at": time_to_json(operation.began_at),
        "ended_at": time_to_json(operation.ended_at),
    }


def worker_to_json(
    worker_id: str,
    kind: str,
    queues: Sequence[str],
    about: Mapping[str, Any],
    *,
    joined_at: datetime,
    lease_until: datetime,
    alive: bool,
    holds: int,
) -> dict[str, Any]:
    """A worker process; `about` is what it says of itself (host, pid, concurrency, …)."""
    return {
        "id": worker_id,
        "kind": kind,
        "alive": alive,
        "queues": list(queues),
        "active": holds,
        "joined_at": time_to_json(joined_at),
        "lease_until": time_to_json(lease_until),
        "about": dict(about),
    }


def unique_key_to_json(key: UniqueKey) -> dict[str, Any]:
    """A unique key, and who has it."""
    return {
        "key": key.name,
        "owner": key.owner,
        "since": time_to_json(key.since),
        "until": time_to_json(key.until),
        "follower": key.follower,
    }


def shards_to_json(shards: Iterable[ShardFacts], spread: Sequence[str]) -> dict[str, Any]:
    """The shards of a store, and the queues that are `spread` over all of them."""
    rows = [
        {"number": shard.number, "node": shard.node, "jobs": shard.jobs, "workers": shard.workers} for shard in shards
    ]
    return {**list_to_json(rows), "spread": list(spread)}


def list_to_json(rows: Sequence[Any]) -> dict[str, Any]:
    """A list that comes whole."""
    return {"data": rows, "page": {"limit": len(rows), "next_cursor": None}}


def page_to_json(
    jobs: Iterable[Job], *, limit: int, cursor: str | None, scanned: int, complete: bool
) -> dict[str, Any]:
    """A page of a list of jobs."""
    return {
        "data": [job_to_json(job) for job in jobs],
        "page": {"limit": limit, "next_cursor": cursor},
        "meta": {"scanned": scanned, "complete": complete},
    }


def error_to_json(error: JobdError) -> dict[str, Any]:
    """An error as a problem object (RFC 9457), without what only a server knows (`instance`, `request_id`)."""
    problem: dict[str, Any] = {
        "type": f"/problems/{error.code.replace('_', '-')}",
        "title": error.code.replace("_", " ").capitalize(),
        "status": error.status,
        "detail": str(error),
        "code": error.code,
        "retryable": error.retryable,
    }
    if isinstance(error, InvalidRequest) and error.faults:
        problem["errors"] = [dict(fault) for fault in error.faults]
    if isinstance(error, UniqueConflict):
        problem["job_id"] = error.job_id
    return problem
