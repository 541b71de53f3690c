"""What HTTP alone says in JSON; jobs themselves read as `domain/rendering.py` says. The names are a contract.

Times are RFC 3339 in UTC with milliseconds, durations whole milliseconds in fields that end in `_ms`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final

from jobd.domain.job import Job, moment
from jobd.domain.jobtype import JobType
from jobd.domain.options import Options
from jobd.domain.rendering import progress_to_json, time_to_json, worker_to_json
from jobd.handle import JobHandle
from jobd.store.store import Member

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)
FIRST_YEAR, LAST_YEAR = 1970, 9998
"""years in which every moment, in every time zone, is one that Python and Redis can hold"""


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


def status_body(job: Job) -> dict[str, Any]:
    """What somebody who polls wants to know."""
    return {
        "id": job.id,
        "status": job.status,
        "attempt": job.attempt,
        "max_attempts": job.max_attempts,
        "progress": progress_to_json(job.progress),
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
        "finished_at": time_to_json(job.finished_at),
    }


def handle_body(handle: JobHandle[Any]) -> dict[str, Any]:
    """A job that was just enqueued among others."""
    return {"id": handle.id, "type": handle.type, "queue": handle.queue, "created": handle.created}


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
    return worker_to_json(
        member.id,
        member.kind,
        member.lines,
        member.about,
        joined_at=moment(member.joined_at_ms),
        lease_until=moment(member.lease_until_ms),
        alive=member.alive,
        holds=member.holds,
    )
