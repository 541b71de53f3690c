"""Rules of a type for the errors of its handler, and what they make of an attempt."""

from __future__ import annotations

from typing import Any

import pytest

import jobd
from jobd.domain.backoff import PATIENT, Backoff
from jobd.domain.delivery import Delivery
from jobd.domain.error_rules import ErrorRules
from jobd.domain.failure import Failure, TimedOut
from jobd.domain.outcome import Ending, Outcome
from jobd.domain.ruling import ruled
from jobd.errors import OptionError


class Declined(Exception): ...


class Expired(Declined): ...


FAILED = Outcome(Ending.RAISED, error={"type": "Declined", "message": "no"})


def failure(error: BaseException, attempt: int = 1) -> Failure:
    job = Delivery("id", "work", "default", b"{}", b"", 5, 4, 0, 0.0, attempt, attempt, 0, False, 1, 0.0, "w")
    return Failure(job, error)


def outcome(on_error: Any, error: BaseException, *, attempt: int = 1) -> Outcome:
    return ruled(FAILED, failure(error, attempt), ErrorRules(on_error), own_backoff=False)


def test_a_rule_says_what_the_handler_might_have_raised() -> None:
    rules = {
        KeyError: jobd.Fail,
        LookupError: jobd.Fail("nothing there"),
        Declined: jobd.Cancel,
        TimeoutError: jobd.Retry(after="5s"),
        BlockingIOError: jobd.Snooze(after="1m"),
        ConnectionError: jobd.RateLimited("30s"),
        OSError: jobd.Retry,
    }
    error = FAILED.error
    assert outcome(rules, KeyError()) == Outcome(Ending.RAISED, error=error, final=True)
    assert outcome(rules, IndexError()).final
    assert outcome(rules, Declined()) == Outcome(Ending.CANCELLED, error=error, reason="no")
    assert outcome(rules, TimeoutError()) == Outcome(Ending.RAISED, error=error, after_ms=5_000)
    assert outcome(rules, TimedOut()).after_ms == 5_000
    assert outcome(rules, BlockingIOError()) == Outcome(Ending.SNOOZED, error=error, reason="no", after_ms=60_000)
    assert outcome(rules, BrokenPipeError()) == Outcome(Ending.RATE_LIMITED, error=error, reason="no", after_ms=30_000)
    assert outcome(rules, OSError()) == outcome(rules, ValueError()) == FAILED


def test_the_rule_of_the_nearest_ancestor_holds_in_whatever_order_they_are_given() -> None:
    for rules in (
        {Exception: jobd.Fail, Declined: jobd.Cancel, Expired: "5s"},
        {Expired: "5s", Declined: jobd.Cancel, Exception: jobd.Fail},
    ):
        assert outcome(rules, Expired()).backoff == Backoff.fixed("5s")
        assert outcome(rules, Declined()).ending is Ending.CANCELLED
        assert outcome(rules, ValueError()).final
        assert outcome(rules, SystemExit()) == FAILED


def test_a_reason_is_that_of_the_rule_or_else_that_of_the_error_or_else_the_usual_one() -> None:
    silent = Outcome(Ending.RAISED)
    rules: dict[Any, Any] = {Expired: jobd.Cancel("over"), Declined: jobd.Cancel}
    assert outcome(rules, Expired()).reason == "over"
    assert outcome(rules, Declined()).reason == "no"
    told = ruled(silent, failure(Declined()), ErrorRules(rules), own_backoff=False)
    assert told.reason == "cancelled by its handler"


def test_only_some_errors_are_worth_another_attempt() -> None:
    rules = {(ConnectionError, TimeoutError): jobd.Retry, Exception: jobd.Fail}
    assert [outcome(rules, error).final for error in (ConnectionError(), TimedOut(), ValueError())] == [
        False,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("rule", "backoff"),
    [("5s", Backoff.fixed("5s")), ("patient", PATIENT), (Backoff.linear(), Backoff.linear()), ([1], Backoff.delays(1))],
)
def test_a_rule_may_be_a_backoff_in_all_its_spellings(rule: Any, backoff: Backoff) -> None:
    assert outcome({Declined: rule}, Declined()).backoff == backoff


def test_a_rule_may_be_a_function_of_the_failure() -> None:
    def rule(failure: Failure) -> Any:
        assert isinstance(failure.error, Declined)
        return {1: None, 2: jobd.RateLimited(failure.error.args[0]), 3: "5s", 4: jobd.Cancel}[failure.attempt]

    first, second, third, fourth = (outcome({Declined: rule}, Declined(7), attempt=number) for number in (1, 2, 3, 4))
    assert first == FAILED
    assert (second.ending, second.after_ms) == (Ending.RATE_LIMITED, 7_000)
    assert third.backoff == Backoff.fixed("5s")
    assert fourth.ending is Ending.CANCELLED


def test_a_backoff_function_says_how_long_to_wait_where_no_rule_says_anything_else() -> None:
    def backoff(failure: Failure) -> Any:
        return failure.attempt * 10

    rules = ErrorRules({Declined: "5s", Expired: jobd.Retry, OSError: jobd.Retry(after="1s")}, backoff)

    def of(error: BaseException, *, own: bool = False) -> Outcome:
        return ruled(FAILED, failure(error, 3), rules, own_backoff=own)

    assert of(ValueError()).after_ms == of(Expired()).after_ms == 30_000
    assert of(ValueError(), own=True) == FAILED
    assert of(OSError()).after_ms == 1_000
    assert (of(Declined()).after_ms, of(Declined()).backoff) == (None, Backoff.fixed("5s"))


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (ErrorRules({Declined: lambda failure: 1 / 0}), "ZeroDivisionError: division by zero"),
        (ErrorRules({Declined: lambda failure: object()}), "OptionError: its answer: <object"),  # type: ignore[dict-item, return-value]  # no answer
        (ErrorRules(backoff=lambda failure: "soon"), "OptionError: its answer: 'soon' is not a duration"),
        (ErrorRules(backoff=lambda failure: -1), "OptionError: its answer: -1 is out of range"),
    ],
)
def test_rules_that_break_are_told_and_change_nothing(rules: ErrorRules, said: str) -> None:
    told = ruled(FAILED, failure(Declined()), rules, own_backoff=False)
    assert (told.ending, told.final, told.after_ms, told.error) == (Ending.RAISED, False, None, FAILED.error)
    assert told.reason is not None
    assert told.reason.startswith(f"the rules of its type could not be used: {said}")


@pytest.mark.parametrize(
    ("on_error", "said"),
    [
        ([ValueError], r"on_error: give a dict from exceptions to rules, not \[<class 'ValueError'>\]"),
        ({"ValueError": jobd.Fail}, "on_error: 'ValueError' is not a class of exceptions"),
        ({int: jobd.Fail}, "on_error: <class 'int'> is not a class of exceptions"),
        ({(ValueError, 5): jobd.Fail}, "on_error: 5 is not a class of exceptions"),
        ({jobd.Retry: jobd.Fail}, "on_error: Retry is a rule already, and needs none"),
        ({ValueError: "soon"}, "on_error: the rule for ValueError: 'soon' is not a signal .*, or a function"),
        ({ValueError: KeyError}, "on_error: the rule for ValueError: <class 'KeyError'> is not a signal"),
        ({ValueError: jobd.Snooze}, "on_error: the rule for ValueError: .* Snooze takes one of after=… and until=…"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused_where_it_is_written(on_error: Any, said: str) -> None:
    with pytest.raises(OptionError, match=f"^{said}"):
        jobd.job("work", on_error=on_error)
