"""From outcome to verdict: the only place that decides whether a job is retried or has failed."""

from __future__ import annotations

from dataclasses import dataclass

from jobd.domain.backoff import Backoff
from jobd.domain.outcome import Ending, Outcome
from jobd.domain.state import State

POISON_CRASHES = 3
"""crashes in a row while alone in a process after which a job is poison: an attempt that comes to an orderly end, and
is retried or snoozed, begins the count anew"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from an outcome. The store applies it if the delivery still holds the job."""

    state: State
    delay_ms: int = 0
    """delayed, or its rate held: for how long, from the moment of settling"""
    until_ms: int = 0
    """delayed, or its rate held: until this moment in milliseconds since 1970, if not 0"""
    spent: bool = True
    """does the attempt count?"""
    suspect: bool = False
    """waiting, but to be run alone in a process from now on"""
    crashed: bool = False
    """it took its process down while alone"""
    holds_rate: bool = False
    """waiting, and no other job of its rate key, or else of its rated queue, starts before the delay is over; without
    any rate, it alone is delayed"""
    poison: bool = False
    """failed, because it has taken down its process too often"""
    begun: bool = True
    """did its handler begin? A delivery of which that is not so never was"""
    too_late: bool = False
    """failed, because its next attempt would begin after its deadline"""

    def before(self, deadline_ms: float, now_ms: float) -> Verdict:
        """This verdict on a job that must be done by then (milliseconds since 1970; 0: never): it is not put off for
        longer than that."""
        due = self.until_ms or now_ms + self.delay_ms
        if self.state is State.DELAYED and 0 < deadline_ms <= due:
            return Verdict(State.FAILED, spent=self.spent, too_late=True)
        return self


COMPLETED = Verdict(State.COMPLETED)
FAILED = Verdict(State.FAILED)
CANCELLED = Verdict(State.CANCELLED)
GIVEN_BACK = Verdict(State.WAITING, spent=False)
NEVER_BEGUN = Verdict(State.WAITING, spent=False, begun=False)


def settle(
    outcome: Outcome, *, attempt: int, max_attempts: int, backoff: Backoff, dice: float, crashes: int = 0
) -> Verdict:
    """The verdict on the outcome of `attempt` (1 is the first); `dice` is a random number in [0, 1), and `crashes`
    counts how often the job has taken down its process while alone, before this attempt."""
    match outcome.ending:
        case Ending.RAISED | Ending.TIMED_OUT:
            if outcome.final or attempt >= max_attempts:
                return FAILED
            asked = outcome.after_ms
            pause = (outcome.backoff or backoff).delay_ms(attempt, dice) if asked is None else asked
            return _delayed(pause, 0, spent=True)
        case Ending.RETURNED:
            return COMPLETED
        case Ending.CANCELLED:
            return CANCELLED
        case Ending.INTERRUPTED:
            return GIVEN_BACK
        case Ending.LOST:
            poison = outcome.alone and crashes + 1 >= POISON_CRASHES
            if poison:
                return Verdict(State.FAILED, crashed=True, poison=True)
            return Verdict(State.WAITING, spent=False, suspect=True, crashed=outcome.alone)
        case Ending.SNOOZED:
            return _delayed(outcome.after_ms or 0, outcome.until_ms or 0, spent=False)
        case Ending.EXPIRED:
            return Verdict(State.FAILED if outcome.error else State.CANCELLED, spent=False)
        case Ending.RATE_LIMITED:
            asked = outcome.after_ms
            pause = backoff.delay_ms(attempt, dice) if asked is None else asked
            return Verdict(State.WAITING, delay_ms=pause, until_ms=outcome.until_ms or 0, spent=False, holds_rate=True)


def _delayed(delay_ms: int, until_ms: int, *, spent: bool) -> Verdict:
    # a pause of nothing still goes through "delayed": the scheduler promotes it at once, behind those already waiting
    return Verdict(State.DELAYED, delay_ms=delay_ms, until_ms=until_ms, spent=spent)
