"""Why a job does not run: the answer to the question that people ask most."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Cause(StrEnum):
    """What keeps a job, in the order in which people are told."""

    ENDED = "ended"
    RUNNING = "running"
    BLOCKED = "blocked"
    DELAYED = "delayed"
    PAUSED = "paused"
    ORDERING_KEY = "ordering_key"
    """another job of its ordering key has its turn"""
    CONCURRENCY = "concurrency"
    RATE = "rate"
    RATE_LIMITED = "rate_limited"
    """a handler met somebody's limit, and its whole rate key holds"""
    SUSPECT = "suspect"
    """its process died while it ran, so that it waits to be run alone"""
    NO_WORKER = "no_worker"
    AHEAD = "ahead"
    """others come first"""
    NEXT = "next"
    """nothing keeps it: it is taken as soon as a worker has room"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One thing that keeps a job from running now."""

    cause: Cause
    message: str
    until: datetime | None = None
    """when it ends by itself, if that is known"""
    job: str | None = None
    """the job that is in the way"""
    ahead: int | None = None
    """how many jobs come first"""
