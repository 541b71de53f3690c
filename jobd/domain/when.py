"""A moment that is said as such, or as a time from another one on."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from jobd.domain.calendar import parse_time, written
from jobd.domain.duration import Duration, milliseconds, spoken
from jobd.errors import OptionError

_1970 = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class When:
    """A moment. Exactly one of the two is set."""

    after_ms: int | None = None
    """from when the job may run, in milliseconds"""
    at_ms: int | None = None
    """milliseconds since 1970"""

    def to_json(self) -> str:
        """A duration or a time, as a text that reads back as the same."""
        if self.after_ms is not None:
            return spoken(self.after_ms)
        return written(_1970 + timedelta(milliseconds=self.at_ms or 0))

    @classmethod
    def parse(cls, value: Duration | datetime, name: str) -> When:
        """From a duration or a datetime with a time zone. Raises OptionError."""
        if isinstance(value, datetime):
            if value.tzinfo is None:
                raise OptionError(f"{name}: {value.isoformat()} has no time zone; add one, such as datetime.now(UTC)")
            return cls(at_ms=max(1, (value - _1970) // timedelta(milliseconds=1)))
        if isinstance(value, str):
            return cls.from_text(value, name)
        return cls(after_ms=milliseconds(value, name=name, least=1))

    @classmethod
    def from_text(cls, text: object, name: str) -> When:
        """From the text of a duration or of a time (RFC 3339). Raises OptionError."""
        if isinstance(text, str):
            with suppress(OptionError):
                return cls(after_ms=milliseconds(text, least=1))
            with suppress(ValueError):
                return cls.parse(parse_time(text), name)
        raise OptionError(
            f"{name}: {text!r} is neither a duration up to 10 years, such as 5m or 1h30m, nor a time with its zone, "
            "such as 2026-11-22T08:00:00Z"
        )
