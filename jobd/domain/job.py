"""A job as it reads back: one frozen value, put together from what the store keeps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from jobd.domain.backoff import Backoff
from jobd.domain.options import NONE, Options
from jobd.domain.outcome import Ending, ErrorRecord
from jobd.domain.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One run of a job's handler."""

    number: int
    """1 is the first"""
    worker: str
    """the worker process that held the job"""
    started_at: datetime
    finished_at: datetime | None = None
    """None while it runs"""
    outcome: Ending | None = None
    """None while it runs"""
    error: ErrorRecord | None = None
    reason: str | None = None

    @property
    def duration_ms(self) -> int | None:
        """How long it ran, in milliseconds by the store's clock; None while it runs."""
        return milliseconds_between(self.started_at, self.finished_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a running job says it is."""

    done: float
    total: float | None
    message: str | None
    at: datetime

    @property
    def percent(self) -> float | None:
        """`done` of `total` in percent, if the total is known and that is a number."""
        if not self.total or self.total < 0:
            return None
        try:
            percent = 100 * self.done / self.total
        except OverflowError:  # of integers, which know no infinity
            return None
        return round(percent, 2) if math.isfinite(percent) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line that a handler wrote with `ctx.log`."""

    at: datetime
    attempt: int
    level: str
    text: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One piece of work, as it was when the store was asked."""

    id: str
    type: str
    queue: str
    status: State
    data: Any
    """the payload, as plain JSON values"""
    priority: int
    """1 (most urgent) to 10"""
    attempt: int
    """the number of the current or last attempt; 0 before the first"""
    max_attempts: int
    deliveries: int
    """how often it was handed to a worker, attempts that did not count included, but for those that never began"""
    timeout_ms: int
    """how long one attempt may run; 0 means for ever"""
    options: Options = NONE
    """what else was asked for when it was enqueued; None in it means that its type, its queue or the defaults say it"""
    created_at: datetime
    run_at: datetime
    """since when it may run, or from when on: the end of its last delay, the moment it was retried by hand, or else of
    its creation"""
    started_at: datetime | None = None
    """the start of the last attempt"""
    finished_at: datetime | None = None
    """when it was completed, failed or cancelled"""
    unique_key: str | None = None
    """the name of its unique key, if it is unique"""
    worker: str | None = None
    """who holds it, while it is active"""
    progress: Progress | None = None
    result: Any = None
    error: ErrorRecord | None = None
    """the error of the last attempt, if that failed"""
    reason: str | None = None
    """why it was cancelled, or was to be, or why it waits again"""
    cancel_requested: bool = False
    """somebody asked to cancel it while it ran, and it has not been cancelled: not yet, or it came to another end"""
    origin: str | None = None
    """the id of the job that it was made from, moved or duplicated"""
    moved_to: str | None = None
    """the id of the job that was made in its place in another queue"""
    attempts: tuple[Attempt, ...] = field(default=())
    """what is kept of its attempts, the oldest first"""

    @property
    def backoff(self) -> Backoff | None:
        """The job's own backoff; None means the one of its type."""
        return self.options.backoff

    @property
    def tags(self) -> tuple[str, ...]:
        """Its tags."""
        return self.options.tags or ()

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Its metadata."""
        return self.options.metadata or {}

    @property
    def duration_ms(self) -> int | None:
        """How long the last attempt ran, in milliseconds."""
        return self.attempts[-1].duration_ms if self.attempts else None

    @property
    def last_attempt(self) -> bool:
        """Is no attempt left after the current one?"""
        return self.attempt >= self.max_attempts


def milliseconds_between(start: datetime, end: datetime | None) -> int | None:
    """Whole milliseconds from `start` to `end`; None if it has not ended."""
    return None if end is None else round((end - start).total_seconds() * 1_000)


def moment(ms: float) -> datetime:
    """Milliseconds since 1970 as a datetime in UTC."""
    return datetime.fromtimestamp(ms / 1_000, UTC)
