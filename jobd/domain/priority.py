"""Priorities: 1 (most urgent) to 10, and the names people use for them."""

from __future__ import annotations

from jobd.errors import OptionError

NAMES = {"critical": 1, "high": 3, "normal": 5, "low": 7, "background": 10}
DEFAULT = NAMES["normal"]
MOST_URGENT, LEAST_URGENT = 1, 10
_MOST_DIGITS = 9

Priority = int | str


def parse_priority(value: Priority, *, name: str = "priority") -> int:
    """The number of a priority given as a number or a name. Raises OptionError."""
    if isinstance(value, str):
        word = value.strip().lower()
        if word in NAMES:
            return NAMES[word]
        if word.isascii() and word.isdigit() and len(word) <= _MOST_DIGITS:
            value = int(word)
    if isinstance(value, int) and not isinstance(value, bool):
        if MOST_URGENT <= value <= LEAST_URGENT:
            return value
        hint = " (in systems where 20 means critical, larger is more urgent, not here)" if value > LEAST_URGENT else ""
        raise OptionError(f"{name}: {value} is not between 1 (most urgent) and 10{hint}")
    raise OptionError(f"{name}: {value!r} is neither a number from 1 to 10 nor one of {', '.join(NAMES)}")
