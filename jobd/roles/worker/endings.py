"""From what a handler returned or raised to the outcome of the attempt."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from jobd.domain.failure import Failure
from jobd.domain.jobtype import JobType
from jobd.domain.outcome import RETURNED, Ending, Outcome
from jobd.domain.ruling import ruled, signalled
from jobd.domain.signals import Fail, Retry, Signal
from jobd.intake import LARGEST_PAYLOAD
from jobd.roles.worker.error_record import record, words_of
from jobd.roles.worker.running import Running
from jobd.store.own_options import checked_options

LARGEST_RESULT = LARGEST_PAYLOAD
_ASKS = Retry, Fail
"""what is raised of jobd's and is an error all the same"""
WAIT_FOR_THREAD_S = 5.0
"""how long a sync job waits here for a thread, before it goes back for another worker to take"""
NO_THREAD = Outcome(Ending.INTERRUPTED, reason=f"no thread was free for it within {WAIT_FOR_THREAD_S:g} s")


def with_result(value: Any, job_type: JobType[Any, Any]) -> Outcome:
    """The handler returned this."""
    if value is None:
        return RETURNED
    try:
        result = job_type.encode_result(value)
    except BaseException as error:  # noqa: BLE001  whatever a foreign type raises when it is turned into JSON
        message = f"the handler returned something that is not the JSON of its result type: {words_of(error)}"
        return Outcome(Ending.RAISED, error={"type": type(error).__name__, "message": message}, final=True)
    if len(result) > LARGEST_RESULT:
        message = (
            f"the result has {len(result):,} bytes, and {LARGEST_RESULT:,} are allowed; keep large data elsewhere and "
            "return where it is"
        )
        return Outcome(Ending.RAISED, error={"type": "ResultTooLarge", "message": message}, final=True)
    return Outcome(Ending.RETURNED, result=result)


def outcome_of(error: BaseException, running: Running) -> Outcome:
    """The handler raised this."""
    if isinstance(error, asyncio.CancelledError) and running.stopped is not None:
        return running.stopped
    own = running.job_type.__module__ if running.job_type is not None else ""
    failed = Outcome(Ending.RAISED, error=record(error, traced=not isinstance(error, Signal), own=own))
    if isinstance(error, _ASKS):
        return signalled(error, failed, "")
    if isinstance(error, Signal):  # on purpose, and no failure
        return signalled(error, replace(failed, error=None), words_of(error))
    return ruled_outcome(failed, error, running)


def ruled_outcome(failed: Outcome, error: BaseException, running: Running) -> Outcome:
    """What the rules of its type make of an attempt that has `failed` with this error."""
    if running.job_type is None or running.job_type.error_rules.silent:
        return failed
    delivery = running.delivery
    own = checked_options(delivery.options).backoff is not None
    return ruled(failed, Failure(delivery, error), running.job_type.error_rules, own_backoff=own)
