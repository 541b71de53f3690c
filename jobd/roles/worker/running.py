"""An attempt that runs, in the hands of those who may stop it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from jobd import clock
from jobd.domain.outcome import Outcome

if TYPE_CHECKING:
    from jobd.context import Context
    from jobd.domain.delivery import Delivery
    from jobd.domain.jobtype import JobType
    from jobd.roles.worker.attempt_limits import AttemptLimits
    from jobd.roles.worker.threads import Ended

Key = tuple[str, int]
"""id of a job and fence of its delivery: a later delivery may run beside a thread left behind by an earlier one"""


class Running:
    """An attempt that runs, and the way to stop it. Only the handler is ever stopped, never what settles it."""

    __slots__ = (
        "_task",
        "context",
        "delivery",
        "ended",
        "job_type",
        "limits",
        "outcome",
        "stopped",
        "stopped_at",
        "thread",
    )

    def __init__(self, delivery: Delivery, context: Context, task: asyncio.Task[Any] | None) -> None:
        self.delivery = delivery
        self.context = context
        self.stopped: Outcome | None = None
        """how it ends if the stop takes effect"""
        self.stopped_at: float | None = None
        """when that was, by the monotonic clock"""
        self.ended = False
        """is its outcome settled? A thread left behind, or a handler that heeds no stop, may go on for a while"""
        self.outcome: Outcome | None = None
        """how it ended, once it has; its log lines may still be on their way"""
        self.limits: AttemptLimits | None = None
        self.job_type: JobType[Any, Any] | None = None
        """once it is known"""
        self.thread: asyncio.Future[Ended] | None = None
        """the call of a sync handler, once it has begun"""
        self._task = task

    def stop(self, outcome: Outcome, *, sync_too: bool) -> None:
        """Tells the handler to end; if it then does not return by itself, `outcome` is how it ended. A handler in a
        thread, which nobody can stop, is left behind if `sync_too`, else only told. Nothing the second time."""
        if self.ended or self.outcome is not None:
            return
        self.context.cancelled = True
        if self.stopped is None and self._task is not None and (sync_too or self.thread is None):
            self.stopped, self.stopped_at = outcome, clock.monotonic()
            self._task.cancel()
