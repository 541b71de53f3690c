"""What limits of time are to do, in the plainest words: the part of the model that knows them."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from tests.store.unique_model import Uniqueness

if TYPE_CHECKING:
    from tests.store.model import Job


class Limits(NamedTuple):
    """Those of an order, in milliseconds from when it came; 0 means none."""

    expires: int = 0
    deadline: int = 0
    patience: int = 0
    """how long it may wait"""


NO_LIMITS = Limits()


class Waited(NamedTuple):
    """What is written of how long a job has waited: when it was due, and when its last attempt ended (ms); nothing of
    one that has waited since it came."""

    due: float = 0
    finished: float = 0


NEVER = math.inf


def moments(limits: Limits, since: int) -> tuple[float, ...]:
    """When it expires, its deadline, and how long it may wait; 0 means none."""
    expires, deadline = (since + ms if ms else 0 for ms in (limits.expires, limits.deadline))
    return expires, deadline, limits.patience


class TimeLimits(Uniqueness):
    """The limits, and the end of those who wait in spite of them."""

    @abstractmethod
    def _retire(self, ending: Sequence[Job]) -> None: ...

    def limit_anew(self, job: Job) -> None:
        """Its limits count from now."""
        job.limits_from, job.limits_moved = self.now, any(job.order.limits)

    def deadline_of(self, job: Job) -> float:
        """When all must be done; somebody who runs it again by hand wants it in spite of that."""
        limit = job.order.limits.deadline
        return job.limits_from + limit if limit and job.retried_at < 0 else NEVER

    def too_late(self, job: Job, waited: Waited) -> tuple[float, str]:
        """When it ends if it goes on waiting, and in which state."""
        limits = job.order.limits
        unwanted = job.deliveries > 0 or job.retried_at >= 0
        expires = job.limits_from + limits.expires if limits.expires and not unwanted else NEVER
        since = max(job.limits_from, job.made_at, waited.due, waited.finished)
        waits = since + limits.patience if limits.patience else NEVER
        at = min(expires, self.deadline_of(job), waits)
        return at, "cancelled" if at == expires else "failed"

    def expire(self, looked_at: Sequence[tuple[str, Waited]]) -> None:
        """These are looked at, in this order."""
        ending: list[Job] = []
        for job_id, waited in looked_at:
            job = self.jobs.get(job_id)
            if job is None or job.state not in ("waiting", "delayed"):
                continue
            at, state = self.too_late(job, waited)
            if at <= self.now:
                if job.state == "waiting":
                    self.muddled.add(job_id)
                job.state = state
                ending.append(job)
        self._retire(ending)
        self.let_keys_go()
