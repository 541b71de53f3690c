"""What HTTP alone says in JSON; jobs themselves read as `domain/rendering.py` says. The names are a contract.

Times are RFC 3339 in UTC with milliseconds, durations whole milliseconds in fields that end in `_ms`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import orjson

from jobd.domain.job import Job, moment
from jobd.domain.options import Options
from jobd.domain.rendering import job_to_json, progress_to_json, time_to_json
from jobd.handle import JobHandle
from jobd.intake import Planned
from jobd.store.codec import unpack_job
from jobd.store.dated import record_of


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


def new_job_body(planned: Planned, created_ms: float) -> dict[str, Any]:
    """A job that was just made, and waits, as it reads back: put together without asking the store for it."""
    new = planned.new_job
    body = _waiting_body(planned.head).copy()
    body["id"], body["data"] = new.id, orjson.Fragment(new.spec[len(planned.head) :])
    body["created_at"] = body["run_at"] = _when(created_ms)
    return body


@lru_cache(maxsize=8)
def _when(ms: float) -> str | None:
    """A moment in words, which is the same for all jobs that were taken in together."""
    return time_to_json(moment(ms))


@lru_cache(maxsize=256)
def _waiting_body(head: bytes) -> dict[str, Any]:
    """What all jobs with this head in their specs have in common as long as they wait."""
    return job_to_json(unpack_job("", record_of(head + b"{}", 0), b"", b"", b""))


def handle_body(handle: JobHandle[Any]) -> dict[str, Any]:
    """A job that was just enqueued among others."""
    return {
        "id": handle.id,
        "type": handle.type,
        "queue": handle.queue,
        "created": handle.created,
        "outcome": handle.outcome,
        "durability": handle.durability,
    }


def type_body(name: str, options: Options, description: str, *, installed: bool) -> dict[str, Any]:
    """A job type, with all that holds for its jobs where they say nothing; `installed`: its plugin is here."""
    return {"type": name, "description": description, "installed": installed, "tags": [], **options.to_json()}
