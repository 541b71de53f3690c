"""What a handler raises to end its attempt on purpose."""

from __future__ import annotations

from datetime import datetime

from jobd.domain.duration import Duration, milliseconds
from jobd.errors import OptionError


class Signal(Exception):
    """The family of ways in which a handler ends its attempt on purpose."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Retry(Signal):
    """Ends the attempt as failed and asks for the next one `after` that long (None: as the backoff says).

    It spends an attempt; when none is left, the job has failed.
    """

    def __init__(self, reason: str = "the handler asked for a retry", *, after: Duration | None = None) -> None:
        super().__init__(reason)
        self.after_ms = None if after is None else milliseconds(after, name="Retry(after=…)")


class Snooze(Signal):
    """Ends the attempt without spending it: the job runs again `until` a moment, or `after` that long."""

    def __init__(
        self,
        reason: str = "the handler put it off",
        *,
        after: Duration | None = None,
        until: datetime | None = None,
    ) -> None:
        super().__init__(reason)
        if (after is None) == (until is None):
            raise OptionError("Snooze takes one of after=… and until=…")
        if until is not None and (not isinstance(until, datetime) or until.tzinfo is None):
            raise OptionError(f"Snooze(until=…): {until!r} is not a datetime with a time zone")
        self.after_ms = None if after is None else milliseconds(after, name="Snooze(after=…)")
        self.until_ms = None if until is None else max(0, round(until.timestamp() * 1_000))


class Cancel(Signal):
    """Ends the job as cancelled."""

    def __init__(self, reason: str = "cancelled by its handler") -> None:
        super().__init__(reason)


class Fail(Signal):
    """Ends the job as failed at once, however many attempts are left."""

    def __init__(self, reason: str = "failed by its handler") -> None:
        super().__init__(reason)
