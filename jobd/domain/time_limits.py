"""The limits of time that a job may have beside its timeout, and what follows where one was not kept.

- `expires`: not started by then, it is not wanted any more: cancelled.
- `queue_timeout`: it waited longer than that for a worker: failed.
- `deadline`: not done by then: failed; a running attempt is stopped, and no other one starts.
- `heartbeat_timeout`: a running handler was silent for longer than that: the attempt has failed.
"""

from __future__ import annotations

from dataclasses import dataclass

from jobd.domain.fingerprint import fingerprinted
from jobd.domain.options import Options
from jobd.domain.outcome import Ending, ErrorRecord, Outcome

TIMED = ("delay_ms", "run_at_ms", "expires", "deadline", "queue_timeout_ms")
"""the options that these limits follow from"""
EXPIRED = Outcome(Ending.EXPIRED, reason="it had not started when it expired")


def _too_late(kind: str, message: str) -> Outcome:
    return Outcome(
        Ending.EXPIRED, error=fingerprinted(ErrorRecord(type=kind, message=message)), reason=message, final=True
    )


WAITED_TOO_LONG = _too_late("QueueTimeout", "it waited for longer than its queue_timeout")
PAST_DEADLINE = _too_late("DeadlineExceeded", "its deadline had passed before it could run")


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """The limits of one delivery, in milliseconds since 1970 by the store's clock; 0 means none."""

    expires_ms: float
    queue_ends_ms: float
    """until when it could wait"""
    deadline_ms: float
    heartbeat_ms: int
    """how long its handler may be silent"""

    def missed(self, started_ms: float) -> Outcome | None:
        """What becomes of a job that is delivered now, if that is too late; None if it is in time."""
        if 0 < self.expires_ms <= started_ms:
            return EXPIRED
        if 0 < self.deadline_ms <= started_ms:
            return PAST_DEADLINE
        if 0 < self.queue_ends_ms <= started_ms:
            return WAITED_TOO_LONG
        return None


@dataclass(frozen=True, slots=True)
class PlannedLimits:
    """The limits of a job before it is taken in. Moments are milliseconds since 1970, or if negative so many after its
    creation; 0 means none."""

    expires_ms: float = 0
    deadline_ms: float = 0
    queue_timeout_ms: int = 0
    ready_ms: float = 0
    """when it may run; 0: at once"""

    @classmethod
    def of(cls, options: Options) -> PlannedLimits | None:
        """Those that options ask for; None if they ask for none that matters before it runs."""
        expires, deadline = options.expires, options.deadline
        if expires is None and deadline is None and options.queue_timeout_ms is None:
            return None
        ready = float(options.run_at_ms) if options.run_at_ms is not None else -float(options.delay_ms or 0)

        def moment(at_ms: int | None, after_ms: int | None) -> float:
            if at_ms is not None:
                return float(at_ms)
            return ready + (after_ms or 0) if ready > 0 else ready - (after_ms or 0)

        return cls(
            moment(expires.at_ms, expires.after_ms) if expires else 0,
            moment(deadline.at_ms, deadline.after_ms) if deadline else 0,
            options.queue_timeout_ms or 0,
            ready,
        )

    def begun(
        self, created_ms: float, *, started_before: bool, by_hand: bool, since_ms: float, heartbeat: int
    ) -> TimeLimits:
        """Those of a delivery. Somebody who runs a job again by hand wants it in spite of expiry and deadline;
        `since_ms` is the end of its last delay or attempt, if it had one."""

        def moment(value: float) -> float:
            return created_ms - value if value < 0 else value

        queue_ends = max(moment(self.ready_ms), created_ms, since_ms) + self.queue_timeout_ms
        return TimeLimits(
            0 if started_before or by_hand else moment(self.expires_ms),
            queue_ends if self.queue_timeout_ms else 0,
            0 if by_hand else moment(self.deadline_ms),
            heartbeat,
        )


NO_PLAN = PlannedLimits()
