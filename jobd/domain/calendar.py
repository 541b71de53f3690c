"""Days and moments."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta


def day_of(day: date) -> tuple[datetime, datetime]:
    """The first moment of a day in UTC, and the first moment of the next."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    if start.date() == date.max:
        return start, datetime.max.replace(tzinfo=UTC)
    return start, start + timedelta(days=1)
