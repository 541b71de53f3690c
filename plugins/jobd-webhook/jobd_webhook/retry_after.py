"""The header Retry-After: how long a server asks to be left alone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

LONGEST = timedelta(days=1)


def retry_after(value: str | None, now: datetime) -> timedelta | None:
    """The pause that a header asks for, in seconds or as a date; never more than a day. None if it asks for none."""
    value = (value or "").strip()
    if re.fullmatch(r"[0-9]{1,9}", value):
        pause = timedelta(seconds=int(value))
    else:
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        pause = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now
    return min(pause, LONGEST) if pause > timedelta() else None
