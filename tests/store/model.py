"""What a store of jobs is to do, in the plainest words: what there is in it, and what it is told.

The stateful tests hold the real store against this model: rules that change a dictionary of jobs. It knows nothing of
how the store is built, and imports nothing of it. What it does is told in the files beside this one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from tests.store.limits_model import NO_LIMITS, Limits

WAITING, DELAYED, BLOCKED, ACTIVE = "waiting", "delayed", "blocked", "active"
COMPLETED, FAILED, CANCELLED = "completed", "failed", "cancelled"
ENDED = (COMPLETED, FAILED, CANCELLED)

APPLIED, BEFORE, REFUSED = 1, 2, 0

MARGIN_MS = 15_000
"""how long after its time limit a job is left to its worker"""
LATE_MS = 2_000
"""an enqueue this long on its way may have been sent twice"""
ENQUEUE_MS = 60_000
"""an enqueue is good this long, and so is each part of a batch"""


class LeaseIsLost(Exception):
    """The member may not do this any more, or never might."""


@dataclass(frozen=True)
class Order:
    """A job as somebody wants it."""

    id: str
    queue: str = "default"
    priority: int = 5
    type: str = "noop"
    due: str = ""
    payload: bytes = b"{}"
    timeout_ms: int = 0
    unique: str = ""
    """what makes it unique, as its record has it"""
    limits: Limits = NO_LIMITS

    @property
    def same(self) -> tuple[object, ...]:
        """What makes it the same job when it comes again."""
        return self.queue, self.priority, self.type, self.payload, self.timeout_ms, self.unique, self.limits


@dataclass
class Job:
    """A job as it is."""

    order: Order
    state: str
    due: int = 0
    batch: str = ""
    attempt: int = 0
    deliveries: int = 0
    crashes: int = 0
    suspect: bool = False
    cancel_asked: bool = False
    holder: str = ""
    fence: int = 0
    deadline: float = math.inf
    ended_at: int = 0
    result: bytes = b""
    retried_at: int = -1
    made_at: int = 0
    limits_from: int = 0
    limits_moved: bool = False  # given later than it was made
    place: float = 0
    """its place among those waiting in its queue with its priority"""


@dataclass(frozen=True)
class Verdict:
    """What is to follow from an attempt."""

    state: str
    spent: bool = True
    suspect: bool = False
    crashed: bool = False
    delay_ms: int = 0
    begun: bool = True
    """else it is as if it had not been delivered"""


@dataclass(frozen=True)
class Settlement:
    """A verdict on a delivery."""

    id: str
    fence: int
    verdict: Verdict
    result: bytes = b""
    children: tuple[Order, ...] = ()


@dataclass(frozen=True)
class Loss:
    """A job taken over, and what is told about it."""

    id: str
    fence: int
    former: str
    overdue: bool
    neighbours: int
    cause: str


@dataclass
class Member:
    """A process that has joined."""

    lease_until: int
    lease: int
    lines: tuple[str, ...]
    cause: str = ""
    sequence: int = 0
    batch: list[str] = field(default_factory=list)
    taken: dict[str, Loss] = field(default_factory=dict)


@dataclass
class Batch:
    """Jobs that come in together."""

    deadline: int
    committed: bool = False
    ids: list[str] = field(default_factory=list)
