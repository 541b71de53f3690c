"""When a delivered job is too late, by each of its limits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobd.domain.options import DEFAULTS, Options
from jobd.domain.outcome import Outcome
from jobd.domain.settle import Verdict
from jobd.domain.state import State
from jobd.domain.time_limits import EXPIRED, PAST_DEADLINE, WAITED_TOO_LONG, PlannedLimits
from jobd.domain.when import When

CREATED = 1_000_000.0
ms = st.integers(1, 10_000)


def missed(
    options: Options, after_ms: float, *, started_before: bool = False, by_hand: bool = False, since_ms: float = 0
) -> Outcome | None:
    """What becomes of a job with these options that is delivered so long after its creation."""
    planned = PlannedLimits.of(options.over(DEFAULTS))
    assert planned is not None
    begun = planned.begun(CREATED, started_before=started_before, by_hand=by_hand, since_ms=since_ms, heartbeat=0)
    return begun.missed(CREATED + after_ms)


def test_most_jobs_have_none() -> None:
    assert PlannedLimits.of(DEFAULTS) is None


@given(ms, ms, st.none() | st.integers(0, 10_000), st.booleans())
def test_durations_count_from_when_the_job_may_run(limit: int, waited: int, delay: int | None, at_moment: bool) -> None:
    later = Options(run_at_ms=round(CREATED) + (delay or 0)) if at_moment else Options(delay_ms=delay)
    waited_ms = (delay or 0) + waited
    for options, outcome in (
        (Options(expires=When(after_ms=limit)), EXPIRED),
        (Options(deadline=When(after_ms=limit)), PAST_DEADLINE),
        (Options(queue_timeout_ms=limit), WAITED_TOO_LONG),
    ):
        assert missed(options.over(later), waited_ms) == (outcome if waited >= limit else None)


@given(ms, ms, ms)
def test_moments_are_moments(limit: int, waited: int, delay: int) -> None:
    at = When(at_ms=round(CREATED) + limit)
    for options, outcome in ((Options(expires=at), EXPIRED), (Options(deadline=at), PAST_DEADLINE)):
        assert missed(options.over(Options(delay_ms=delay)), waited) == (outcome if waited >= limit else None)


def test_what_has_started_does_not_expire_and_what_is_run_by_hand_has_no_deadline() -> None:
    both = Options(expires=When(after_ms=5), deadline=When(after_ms=9))
    assert [missed(both, after, started_before=True) for after in (7, 9)] == [None, PAST_DEADLINE]
    assert missed(both, 1_000, by_hand=True) is None


def test_a_wait_counts_from_the_end_of_the_last_delay_or_attempt() -> None:
    options = Options(queue_timeout_ms=10)
    assert missed(options, 1_009, since_ms=CREATED + 1_000) is None
    assert missed(options, 1_010, since_ms=CREATED + 1_000) == WAITED_TOO_LONG
    assert missed(options, 1_010, since_ms=CREATED + 1_000, by_hand=True) == WAITED_TOO_LONG


def test_a_job_is_not_put_off_beyond_its_deadline() -> None:
    later = Verdict(State.DELAYED, delay_ms=100)
    failed = Verdict(State.FAILED, too_late=True)
    assert later.before(1_100, now_ms=1_000) == later.before(900, now_ms=1_000) == failed
    assert later.before(1_101, now_ms=1_000) == later.before(0, now_ms=1_000) == later
    until = Verdict(State.DELAYED, until_ms=2_000, spent=False)
    assert until.before(2_000, now_ms=1_000) == Verdict(State.FAILED, spent=False, too_late=True)
    assert until.before(2_001, now_ms=1_000) == until
    assert Verdict(State.WAITING).before(1, now_ms=1_000) == Verdict(State.WAITING)
