"""Durations as people write them: "2s", "5m", "1d", "200ms", "1h30m", a timedelta, or seconds as a number."""

from __future__ import annotations

import math
import re
from datetime import timedelta

from jobd.errors import OptionError

EXAMPLES = "2s, 5m, 1h30m or 1d"
_IN_PYTHON = f"{EXAMPLES}, a timedelta, or seconds as a number"

Duration = str | int | float | timedelta

_MILLISECONDS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)", re.ASCII)
_WHOLE = re.compile(r"\s*(?:\d+(?:\.\d+)?\s*(?:ms|s|m|h|d|w)\s*)+", re.ASCII)
LONGEST_MS = 10 * 366 * 86_400_000
"""ten years: longer is a mistake, not a wish"""


def milliseconds(value: Duration, *, name: str = "duration", least: int = 0) -> int:
    """`value` in whole milliseconds, rounded up. Raises OptionError, naming `name`, if it is not a duration or not
    between `least` milliseconds and ten years."""
    if isinstance(value, timedelta):
        amount = value.total_seconds() * 1_000
    elif isinstance(value, bool):
        raise OptionError(f"{name}: {value!r} is not a duration; use {_IN_PYTHON}")
    elif isinstance(value, int | float):
        amount = value * 1_000
    elif isinstance(value, str) and _WHOLE.fullmatch(value):
        amount = sum(float(number) * _MILLISECONDS[unit] for number, unit in _PART.findall(value))
    else:
        examples = EXAMPLES if isinstance(value, str) else _IN_PYTHON
        raise OptionError(f"{name}: {value!r} is not a duration; use {examples}")
    if not least <= amount <= LONGEST_MS:
        raise OptionError(f"{name}: {value!r} is out of range; it must be between {spoken(least)} and 10 years")
    return math.ceil(round(amount, 3))


def spoken(ms: int) -> str:
    """Milliseconds in the shortest exact words: 90_000 → "1m30s"."""
    if ms == 0:
        return "0s"
    words = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, ms = divmod(ms, _MILLISECONDS[unit])
        if count:
            words.append(f"{count}{unit}")
    return "".join(words)
