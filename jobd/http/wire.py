"""How jobs and what is around them read in JSON. The names here are a contract.

Times are RFC 3339 in UTC with milliseconds, durations whole milliseconds in fields that end in `_ms`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from jobd.domain.job import Attempt, Job, LogLine, Progress, moment
from jobd.domain.jobtype import JobType
from jobd.domain.options import Options
from jobd.domain.state import ENDED, State
from jobd.handle import JobHandle
from jobd.store.store import Member

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)
FIRST_YEAR, LAST_YEAR = 1970, 9998
"""years in which every moment, in every time zone, is one that Python and Redis can hold"""


def time_text(at: datetime | None) -> str | None:
    """2026-11-22T04:13:59.123Z; None for None."""
    return None if at is None else f"{at.isoformat(timespec='milliseconds')[:23]}Z"


def parse_time(text: object) -> datetime:
    """The moment that an RFC 3339 text names. Raises ValueError with a sentence that says what is wrong."""
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        raise ValueError("this is not a time with its zone, such as 2026-11-22T08:00:00Z (RFC 3339)")
    try:
        at = datetime.fromisoformat(text.upper())
    except ValueError:
        raise ValueError("there is no such day or time") from None
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise ValueError(f"the year must lie between {FIRST_YEAR} and {LAST_YEAR}")
    return at.astimezone(UTC)


def job_body(job: Job) -> dict[str, Any]:
    """A job, whole."""
    return {
        "id": job.id,
        "type": job.type,
        "queue": job.queue,
        "status": job.status,
        "data": job.data,
        "priority": job.priority,
        "attempt": job.attempt,
        "max_attempts": job.max_attempts,
        "timeout_ms": job.timeout_ms,
        "backoff": job.backoff.to_json() if job.backoff else None,
        "tags": job.tags,
        "metadata": job.metadata,
        "progress": progress_body(job.progress),
        "result": job.result,
        "error": job.error,
        "reason": job.reason,
        "cancel_requested": job.cancel_requested,
        "worker": job.worker,
        "deliveries": job.deliveries,
        "created_at": time_text(job.created_at),
        "run_at": time_text(job.run_at),
        "started_at": time_text(job.started_at),
        "finished_at": time_text(job.finished_at),
        "duration_ms": job.duration_ms,
        "attempts": [attempt_body(attempt) for attempt in job.attempts],
    }


def status_body(job: Job) -> dict[str, Any]:
    """What somebody who polls wants to know."""
    return {
        "id": job.id,
        "status": job.status,
        "attempt": job.attempt,
        "max_attempts": job.max_attempts,
        "progress": progress_body(job.progress),
        "cancel_requested": job.cancel_requested,
    }


def outcome_body(job: Job) -> dict[str, Any]:
    """How a job ended."""
    return {
        "id": job.id,
        "status": job.status,
        "result": job.result,
        "error": job.error,
        "reason": job.reason,
        "finished_at": time_text(job.finished_at),
    }


def progress_body(progress: Progress | None) -> dict[str, Any] | None:
    """How far a job says it is; None if it has said nothing."""
    if progress is None:
        return None
    return {
        "done": progress.done,
        "total": progress.total,
        "percent": progress.percent,
        "message": progress.message,
        "updated_at": time_text(progress.at),
    }


def attempt_body(attempt: Attempt) -> dict[str, Any]:
    """One attempt."""
    return {
        "number": attempt.number,
        "worker": attempt.worker,
        "outcome": attempt.outcome,
        "error": attempt.error,
        "reason": attempt.reason,
        "started_at": time_text(attempt.started_at),
        "finished_at": time_text(attempt.finished_at),
        "duration_ms": attempt.duration_ms,
    }


def log_line_body(line: LogLine) -> dict[str, Any]:
    """One line of a job's log."""
    return {
        "at": time_text(line.at),
        "attempt": line.attempt,
        "level": line.level,
        "text": line.text,
        "fields": line.fields,
    }


def handle_body(handle: JobHandle[Any]) -> dict[str, Any]:
    """A job that was just enqueued among others."""
    return {"id": handle.id, "type": handle.type, "queue": handle.queue, "created": handle.created}


def queue_body(name: str, counts: Mapping[State, int]) -> dict[str, Any]:
    """A queue: how many of its jobs are in each state, and how many have not ended."""
    return {
        "name": name,
        "counts": {state.value: counts.get(state, 0) for state in State},
        "unfinished": sum(count for state, count in counts.items() if state not in ENDED),
    }


def installed_type_body(job_type: JobType[Any, Any], defaults: Options) -> dict[str, Any]:
    """A job type whose plugin is installed here; `defaults` hold where it says nothing."""
    return _type_body(job_type.name, job_type.options.over(defaults), job_type.description, installed=True)


def told_type_body(name: str, options: Options, defaults: Options, description: str) -> dict[str, Any]:
    """A job type that only workers elsewhere have."""
    return _type_body(name, options.over(defaults), description, installed=False)


def _type_body(name: str, options: Options, description: str, *, installed: bool) -> dict[str, Any]:
    return {
        "type": name,
        "description": description,
        "installed": installed,
        "queue": options.queue,
        "priority": options.priority,
        "max_attempts": options.max_attempts,
        "timeout_ms": options.timeout_ms,
        "backoff": options.backoff.to_json() if options.backoff else None,
        "tags": options.tags or [],
    }


def worker_body(member: Member) -> dict[str, Any]:
    """A worker process."""
    return {
        "id": member.id,
        "kind": member.kind,
        "alive": member.alive,
        "queues": member.lines,
        "active": member.holds,
        "joined_at": time_text(moment(member.joined_at_ms)),
        "lease_until": time_text(moment(member.lease_until_ms)),
        "about": member.about,
    }
