"""What a handler raises to end its attempt on purpose. Rules for errors (`on_error`) are made of the same."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar

from jobd.domain.duration import Duration, milliseconds
from jobd.errors import OptionError


class Signal(Exception):
    """The family of ways in which a handler ends its attempt on purpose."""

    usual_reason: ClassVar[str]

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(self.usual_reason if reason is None else reason)
        self.given_reason = reason
        """None: nobody gave one, and the usual one holds"""

    @property
    def reason(self) -> str:
        """Why, in words."""
        return self.usual_reason if self.given_reason is None else self.given_reason


class Retry(Signal):
    """Ends the attempt as failed and asks for the next one `after` that long (None: as the backoff says).

    It spends an attempt; when none is left, the job has failed.
    """

    usual_reason = "the handler asked for a retry"

    def __init__(self, reason: str | None = None, *, after: Duration | None = None) -> None:
        super().__init__(reason)
        self.after_ms = None if after is None else milliseconds(after, name="Retry(after=…)")


class Snooze(Signal):
    """Ends the attempt without spending it: the job runs again `until` a moment, or `after` that long.

    It may do so for ever; a job that must come to an end has a `deadline`.
    """

    usual_reason = "the handler put it off"

    def __init__(
        self, reason: str | None = None, *, after: Duration | None = None, until: datetime | None = None
    ) -> None:
        super().__init__(reason)
        if (after is None) == (until is None):
            raise OptionError("Snooze takes one of after=… and until=…")
        self.after_ms = None if after is None else milliseconds(after, name="Snooze(after=…)")
        self.until_ms = None if until is None else _moment(until, "Snooze(until=…)")


class RateLimited(Signal):
    """Ends the attempt without spending it, because somebody else has set a limit: the job runs again after
    `retry_after`, a duration, a moment, or the text of an HTTP header Retry-After (None: as the backoff says)."""

    usual_reason = "a rate limit was hit"

    def __init__(self, retry_after: Duration | datetime | None = None, reason: str | None = None) -> None:
        super().__init__(reason)
        self.after_ms: int | None = None
        self.until_ms: int | None = None
        moment = _date_of_header(retry_after) if isinstance(retry_after, str) else retry_after
        if isinstance(moment, datetime):
            self.until_ms = _moment(moment, "RateLimited(retry_after)")
        elif isinstance(retry_after, str) and retry_after.strip().isdecimal():
            self.after_ms = milliseconds(float(retry_after), name="RateLimited(retry_after)")
        elif retry_after is not None and not isinstance(retry_after, datetime):
            self.after_ms = milliseconds(retry_after, name="RateLimited(retry_after)")


class Cancel(Signal):
    """Ends the job as cancelled."""

    usual_reason = "cancelled by its handler"


class Fail(Signal):
    """Ends the job as failed at once, however many attempts are left."""

    usual_reason = "failed by its handler"


def _moment(value: datetime, name: str) -> int:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise OptionError(f"{name}: {value!r} is not a datetime with a time zone")
    return max(0, round(value.timestamp() * 1_000))


def _date_of_header(text: str) -> datetime | None:
    from email.utils import parsedate_to_datetime  # here, because few jobs need it

    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
