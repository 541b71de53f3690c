"""What an attempt comes to by what its handler returned or raised."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import orjson
import pytest

import jobd
from jobd.context import Context
from jobd.domain.delivery import Delivery
from jobd.domain.outcome import RETURNED, Ending, Outcome
from jobd.roles.worker.endings import LARGEST_RESULT, outcome_of, ruled_outcome, with_result
from jobd.roles.worker.running import Running

TOLD = Outcome(Ending.TIMED_OUT, reason="told to end")


@jobd.job("work", backoff=lambda failure: 7)
async def work() -> str:
    return ""


def attempt(job_type: jobd.JobType[Any, Any] | None = work, *, options: bytes = b"") -> Running:
    """One that runs, of a job with these options."""
    delivery = Delivery("j", "work", "default", b"{}", options, 5, 4, 0, 0.0, 1, 1, 0, False, 1, 0.0, "w")
    running = Running(delivery, cast("Context", None), None)
    running.job_type = job_type
    return running


def test_a_handler_that_was_told_to_end_has_ended_so_if_it_was_cancelled_and_by_its_error_if_it_raised_one() -> None:
    told = attempt()
    told.stopped = TOLD
    assert outcome_of(asyncio.CancelledError(), told) is TOLD
    assert outcome_of(ValueError("no"), told).ending is Ending.RAISED
    by_itself = outcome_of(asyncio.CancelledError(), attempt())
    assert (by_itself.ending, (by_itself.error or {})["type"]) == (Ending.RAISED, "asyncio.exceptions.CancelledError")


def test_an_attempt_of_a_type_that_is_not_known_ends_by_its_error() -> None:
    failed = outcome_of(ValueError("no"), attempt(None))
    assert (failed.ending, (failed.error or {})["message"], failed.after_ms) == (Ending.RAISED, "no", None)
    assert ruled_outcome(TOLD, ValueError(), attempt(None)) is TOLD


def test_what_asks_for_a_failure_is_an_error_and_what_asks_for_something_else_is_none() -> None:
    signals = jobd.Fail("no"), jobd.Retry("again"), jobd.Cancel("no more"), jobd.Snooze("later", after=1)
    assert [outcome_of(signal, attempt()).error is not None for signal in signals] == [True, True, False, False]


@pytest.mark.parametrize(
    ("options", "after_ms"),
    [(b"", 7_000), (b'{"tags":["a"]}', 7_000), (orjson.dumps({"backoff": {"kind": "fixed", "base_ms": 5}}), None)],
)
def test_a_function_of_the_type_says_the_pause_unless_the_job_brought_a_backoff(
    options: bytes, after_ms: int | None
) -> None:
    assert outcome_of(ValueError(), attempt(options=options)).after_ms == after_ms


def test_a_result_may_be_as_large_as_that_and_no_larger() -> None:
    largest = "x" * (LARGEST_RESULT - 2)  # and two quotation marks
    assert with_result(largest, work).ending is Ending.RETURNED
    too_large = with_result(largest + "x", work)
    assert (too_large.ending, too_large.final, (too_large.error or {})["type"]) == (
        Ending.RAISED,
        True,
        "ResultTooLarge",
    )
    assert with_result(None, work) is RETURNED
    assert with_result("", work).result == b'""'
