"""The table of verdicts: every ending x attempts left."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobd.domain.backoff import Backoff
from jobd.domain.outcome import Ending, ErrorRecord, Outcome
from jobd.domain.settle import POISON_CRASHES, Verdict, settle
from jobd.domain.state import MOVES, State

BACKOFF = Backoff.exponential("2s", jitter=0.5)
attempts = st.integers(1, 50)
ms = st.none() | st.integers(0, 10**9)
outcomes = st.builds(
    Outcome,
    st.sampled_from(Ending),
    error=st.sampled_from([None, ErrorRecord(type="E", message="no")]),
    final=st.booleans(),
    after_ms=ms,
    until_ms=ms,
    alone=st.booleans(),
)


def verdict(outcome: Outcome, attempt: int = 1, most: int = 4, dice: float = 0.0, crashes: int = 0) -> Verdict:
    return settle(outcome, attempt=attempt, max_attempts=most, backoff=BACKOFF, dice=dice, crashes=crashes)


def expected_states(outcome: Outcome, attempt: int, most: int, crashes: int) -> set[State]:
    """What the words of the design say, without the code."""
    match outcome.ending:
        case Ending.RETURNED:
            return {State.COMPLETED}
        case Ending.CANCELLED:
            return {State.CANCELLED}
        case Ending.INTERRUPTED:
            return {State.WAITING}
        case Ending.SNOOZED:
            return {State.DELAYED}
        case Ending.RATE_LIMITED:
            return {State.WAITING}
        case Ending.EXPIRED:
            return {State.FAILED} if outcome.error else {State.CANCELLED}
        case Ending.LOST:
            return {State.FAILED} if outcome.alone and crashes == 2 else {State.WAITING}
        case Ending.RAISED | Ending.TIMED_OUT:
            return {State.FAILED} if outcome.final or attempt >= most else {State.DELAYED}
        case _:
            assert_never(outcome.ending)


@given(outcomes, attempts, attempts, st.integers(0, 2), st.floats(0, 1, exclude_max=True))
def test_every_outcome_has_one_verdict_and_it_is_a_move_of_the_table(
    outcome: Outcome, attempt: int, most: int, crashes: int, dice: float
) -> None:
    what = verdict(outcome, attempt, most, dice, crashes)
    assert {what.state} == expected_states(outcome, attempt, most, crashes)
    assert what.state in MOVES[State.ACTIVE].values()
    if what.state is not State.DELAYED and not what.holds_rate:
        assert (what.delay_ms, what.until_ms) == (0, 0)


@given(outcomes, attempts, attempts)
def test_an_attempt_is_spent_by_what_the_job_did_and_by_nothing_else(outcome: Outcome, attempt: int, most: int) -> None:
    what = verdict(outcome, attempt, most)
    innocent = outcome.ending in (
        Ending.INTERRUPTED,
        Ending.SNOOZED,
        Ending.RATE_LIMITED,
        Ending.LOST,
        Ending.EXPIRED,
    )
    assert what.spent == (not innocent)


@pytest.mark.requirement("2.2")
@pytest.mark.parametrize("ending", [Ending.RAISED, Ending.TIMED_OUT])
def test_a_job_fails_when_no_attempt_is_left(ending: Ending) -> None:
    states = [verdict(Outcome(ending), attempt).state for attempt in (1, 2, 3, 4)]
    assert states == [State.DELAYED, State.DELAYED, State.DELAYED, State.FAILED]


def test_the_pause_is_that_of_the_backoff_unless_the_handler_asks_for_another() -> None:
    assert verdict(Outcome(Ending.RAISED), 3).delay_ms == 8_000
    assert verdict(Outcome(Ending.RAISED), 3, dice=0.999_999).delay_ms == 4_000
    assert verdict(Outcome(Ending.RAISED, after_ms=123)).delay_ms == 123
    assert verdict(Outcome(Ending.RAISED, after_ms=0)).delay_ms == 0


def test_a_retry_that_is_asked_for_does_not_get_around_the_last_attempt() -> None:
    assert verdict(Outcome(Ending.RAISED, after_ms=123), 4).state is State.FAILED


def test_a_snooze_is_delayed_as_asked_on_any_attempt() -> None:
    assert verdict(Outcome(Ending.SNOOZED, after_ms=500), 4) == Verdict(State.DELAYED, delay_ms=500, spent=False)
    assert verdict(Outcome(Ending.SNOOZED, until_ms=9_999), 4) == Verdict(State.DELAYED, until_ms=9_999, spent=False)


def test_a_rate_limit_holds_the_rate_as_asked_or_as_the_backoff_says_on_any_attempt() -> None:
    limited = Ending.RATE_LIMITED
    held = Verdict(State.WAITING, delay_ms=500, spent=False, holds_rate=True)
    assert verdict(Outcome(limited, after_ms=500), 4) == held
    assert verdict(Outcome(limited), 4) == replace(held, delay_ms=16_000)
    assert verdict(Outcome(limited, until_ms=9_999)).until_ms == 9_999


def test_a_rule_may_bring_a_backoff_of_its_own() -> None:
    assert verdict(Outcome(Ending.RAISED, backoff=Backoff.fixed("7s")), 3).delay_ms == 7_000


def test_neighbours_of_a_crash_are_suspects_and_nothing_else() -> None:
    for crashes in range(POISON_CRASHES):
        lost = verdict(Outcome(Ending.LOST), 4, crashes=crashes)
        assert lost == Verdict(State.WAITING, spent=False, suspect=True)


def test_the_third_crash_alone_makes_poison() -> None:
    alone = Outcome(Ending.LOST, alone=True)
    assert [verdict(alone, 1, crashes=crashes) for crashes in range(POISON_CRASHES)] == [
        Verdict(State.WAITING, spent=False, suspect=True, crashed=True),
        Verdict(State.WAITING, spent=False, suspect=True, crashed=True),
        Verdict(State.FAILED, crashed=True, poison=True),
    ]
