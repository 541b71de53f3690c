"""What the store keeps of a job's past, in JSON: how its attempts ended, what else befell it, and how far it came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from jobd.domain.job import Attempt, Progress, moment
from jobd.domain.outcome import Ending


def reason_of(history: Sequence[Mapping[str, Any]]) -> str | None:
    """The reason given last. Who cancels a running job says it before the worker ends the attempt, and counts more."""
    if not history:
        return None
    last = history[-1]
    asked = history[-2] if len(history) > 1 and "asked_at" in history[-2] else last
    reason: str | None = asked.get("reason") or last.get("reason")
    return reason


def error_of(history: Sequence[Mapping[str, Any]]) -> Any:
    """That of the last attempt, or of what ended it later."""
    telling = [line for line in history if "number" in line or "error" in line]
    return telling[-1].get("error") if telling else None


def attempt_of(line: Mapping[str, Any]) -> Attempt:
    """What a line of the history says of an attempt that has ended."""
    return Attempt(
        number=line["number"],
        worker=line.get("worker", ""),
        started_at=moment(line["started_at"]),
        finished_at=moment(line["finished_at"]),
        outcome=Ending(line["outcome"]) if "outcome" in line else None,
        error=line.get("error"),
        reason=line.get("reason"),
    )


def progress_of(raw: bytes) -> Progress | None:
    """How far a handler said it is; None for what no version of ours says: it must not hide the job."""
    try:
        said = orjson.loads(raw)
        done, total, message, at = said["done"], said.get("total"), said.get("message"), moment(said["at"])
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return None
    if not _is_number(done):
        return None
    return Progress(
        done=done,
        total=total if _is_number(total) else None,
        message=None if message is None else str(message),
        at=at,
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
