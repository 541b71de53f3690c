"""Days and moments."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)
FIRST_YEAR, LAST_YEAR = 1970, 9998
"""years in which every moment, in every time zone, is one that Python and Redis can hold"""


def day_of(day: date) -> tuple[datetime, datetime]:
    """The first moment of a day in UTC, and the first moment of the next."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    if start.date() == date.max:
        return start, datetime.max.replace(tzinfo=UTC)
    return start, start + timedelta(days=1)


def parse_time(text: object) -> datetime:
    """The moment that an RFC 3339 text names. Raises ValueError with a sentence that says what is wrong."""
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        raise ValueError("this is not a time with its zone, such as 2026-11-22T08:00:00Z (RFC 3339)")
    try:
        at = datetime.fromisoformat(text.upper())
    except ValueError:
        raise ValueError("there is no such day or time") from None
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise ValueError(f"the year must lie between {FIRST_YEAR} and {LAST_YEAR}")
    return at.astimezone(UTC)


def written(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds: "2026-01-31T08:00:00.000Z"."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
