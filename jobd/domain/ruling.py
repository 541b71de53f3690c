"""From an error to an outcome: by the signal that a handler raised, or by the rules of its type."""

from __future__ import annotations

from dataclasses import replace

from jobd.domain.backoff import Backoff
from jobd.domain.error_rules import ErrorRules
from jobd.domain.failure import Failure
from jobd.domain.outcome import Ending, Outcome
from jobd.domain.signals import Cancel, Fail, RateLimited, Retry, Signal, Snooze


def signalled(signal: Signal, failed: Outcome, reason: str) -> Outcome:
    """What a signal makes of an attempt that has `failed`; `reason` is why, where the signal has to say so."""
    match signal:
        case Retry():
            return replace(failed, after_ms=signal.after_ms)
        case Fail():
            return replace(failed, final=True)
        case Cancel():
            return Outcome(Ending.CANCELLED, error=failed.error, reason=reason)
        case Snooze() | RateLimited():
            ending = Ending.SNOOZED if isinstance(signal, Snooze) else Ending.RATE_LIMITED
            return Outcome(
                ending, error=failed.error, reason=reason, after_ms=signal.after_ms, until_ms=signal.until_ms
            )
    return failed


def ruled(failed: Outcome, failure: Failure, rules: ErrorRules, *, own_backoff: bool) -> Outcome:
    """What the rules of its type make of an attempt that has `failed`. `own_backoff`: the job brought a backoff of its
    own, which wins over a function of its type. Rules that break are told in the reason, and change nothing."""
    try:
        answer = rules.answer(failure)
        if answer is None or (isinstance(answer, Retry) and answer.after_ms is None):
            return failed if own_backoff else replace(failed, after_ms=rules.pause_ms(failure))
    except BaseException as error:  # noqa: BLE001  they are foreign code, and may raise anything
        return replace(failed, reason=f"the rules of its type could not be used: {type(error).__name__}: {error}")
    if isinstance(answer, Backoff):
        return replace(failed, backoff=answer)
    said = (failed.error or {}).get("message")
    return signalled(answer, failed, answer.given_reason or said or answer.reason)
