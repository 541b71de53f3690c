"""What a worker is handed: a job, and the right to settle it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Delivery:
    """One hand-over of a job to a worker. Not frozen only because freezing costs a microsecond a job."""

    id: str
    type: str
    queue: str
    payload: bytes
    """JSON"""
    options: bytes
    """JSON of the job's less frequent options; empty for most"""
    priority: int
    max_attempts: int
    timeout_ms: int
    """0 means no limit"""
    created_ms: float
    attempt: int
    deliveries: int
    crashes: int
    suspect: bool
    fence: int
    started_ms: float
    holder: str

    @property
    def last_attempt(self) -> bool:
        return self.attempt >= self.max_attempts


@dataclass(frozen=True, slots=True)
class Lost:
    """A delivery that a monitor has taken over, and what it knows of its former holder."""

    delivery: Delivery
    """under the monitor's own fence"""
    former_holder: str
    overdue: bool
    """its own deadline passed, while the holder lives on"""
    neighbours: int
    """how many jobs the holder held, this one included"""
    cause: str
    """how the holder ended, as its supervisor saw it; empty if nobody did"""
    holder_was_solo: bool


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job on its way into the store, packed."""

    id: str
    queue: str
    priority: int
    due: str
    """'' at once, '+ms' from the moment it is taken in, 'ms' since 1970"""
    spec: bytes
