"""A failed attempt, as rules for errors and backoff functions are told of it."""

from __future__ import annotations

from dataclasses import dataclass

from jobd.domain.delivery import Delivery


class TimedOut(TimeoutError):
    """What rules see of an attempt that was ended because its time was over. A TimeoutError that the handler raises
    itself is not one of these."""


class ProcessDied(Exception):
    """What rules see of an attempt whose process, which was its own, ended without a word of it."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt that has failed."""

    job: Delivery
    error: BaseException

    @property
    def attempt(self) -> int:
        """The number of the attempt; 1 is the first."""
        return self.job.attempt

    @property
    def max_attempts(self) -> int:
        """How many there may be."""
        return self.job.max_attempts

    @property
    def last_attempt(self) -> bool:
        """Is no attempt left after this one?"""
        return self.job.last_attempt
