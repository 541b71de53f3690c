"""What is said between a worker and the process of an attempt, as JSON values. Never pickle: what a handler's process
says is not to be trusted.

Downwards: the order, `{"delivery", "isolation"}`; `{"do": "stop"}`; an `{"answer"}` to each question, with an
`"error"` or a `"value"`.
Upwards: questions, `{"ask", "what", "with"}`; and in the end the outcome, `{"ended"}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from jobd import errors
from jobd.domain.backoff import Backoff
from jobd.domain.delivery import Delivery
from jobd.domain.outcome import Ending, ErrorRecord, Outcome
from jobd.errors import FieldFault, InvalidRequest, JobdError

_PLAIN = tuple(each.name for each in fields(Delivery) if each.name not in ("payload", "options", "limits"))


def text_of(raw: bytes) -> str:
    """Any bytes as text, and back by `bytes_of`."""
    return raw.decode("latin-1")


def bytes_of(text: str) -> bytes:
    """What `text_of` made a text of."""
    return text.encode("latin-1")


def delivery_words(delivery: Delivery) -> dict[str, Any]:
    """A delivery, without its limits of time, which its worker keeps."""
    plain = {name: getattr(delivery, name) for name in _PLAIN}
    return plain | {"payload": text_of(delivery.payload), "options": text_of(delivery.options)}


def read_delivery(words: Mapping[str, Any]) -> Delivery:
    """What `delivery_words` made."""
    return Delivery(**{**words, "payload": bytes_of(words["payload"]), "options": bytes_of(words["options"])})


def outcome_words(outcome: Outcome) -> dict[str, Any]:
    """An outcome."""
    return {
        "ending": outcome.ending.value,
        "result": text_of(outcome.result),
        "error": outcome.error,
        "reason": outcome.reason,
        "final": outcome.final,
        "after_ms": outcome.after_ms,
        "backoff": outcome.backoff.to_json() if outcome.backoff is not None else None,
        "until_ms": outcome.until_ms,
    }


def read_outcome(words: Mapping[str, Any]) -> Outcome:
    """What `outcome_words` made. Raises ValueError, TypeError, KeyError if it did not."""
    error: ErrorRecord = {}
    for name in ("type", "message", "traceback", "at"):
        if name in (words["error"] or {}):
            error[name] = str(words["error"][name])
    return Outcome(
        Ending(words["ending"]),
        result=bytes_of(words["result"]),
        error=error or None,
        reason=None if words["reason"] is None else str(words["reason"]),
        final=bool(words["final"]),
        after_ms=None if words["after_ms"] is None else int(words["after_ms"]),
        backoff=None if words["backoff"] is None else Backoff.parse(words["backoff"]),
        until_ms=None if words["until_ms"] is None else int(words["until_ms"]),
    )


def error_words(error: JobdError) -> dict[str, Any]:
    """An error that the other side raises again."""
    faults = error.faults if isinstance(error, InvalidRequest) else ()
    return {"type": type(error).__name__, "message": str(error), "faults": list(faults)}


def read_error(words: Mapping[str, Any]) -> JobdError:
    """What `error_words` made."""
    kind = getattr(errors, words["type"], JobdError)
    faults: list[FieldFault] = words["faults"]
    known = kind if isinstance(kind, type) and issubclass(kind, JobdError) else JobdError
    return known(words["message"], faults) if issubclass(known, InvalidRequest) else known(words["message"])
