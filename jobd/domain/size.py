"""Sizes as people write them: "512MB", "2GiB", or a number of bytes."""

from __future__ import annotations

import re

from jobd.errors import OptionError

_UNITS = {"": 1, "b": 1}
_UNITS |= {f"{letter}b": 1_000**power for power, letter in enumerate("kmgt", 1)}
_UNITS |= {f"{letter}ib": 1_024**power for power, letter in enumerate("kmgt", 1)}
_TEXT = re.compile(r"\s*(\d{1,15}(?:\.\d{1,3})?)\s*([kmgt]?i?b?)\s*", re.ASCII | re.IGNORECASE)
MOST = 1_024**5


def size_in_bytes(value: object, *, name: str = "size", least: int = 0) -> int:
    """`value` in bytes. Raises OptionError, naming `name`, if it is no size, or less than `least` bytes."""
    amount: float | None = None
    if isinstance(value, str) and (found := _TEXT.fullmatch(value)) and found[2].lower() in _UNITS:
        amount = float(found[1]) * _UNITS[found[2].lower()]
    elif isinstance(value, int) and not isinstance(value, bool):
        amount = value
    if amount is None:
        raise OptionError(f"{name}: {value!r} is not a size; use 512MB, 2GiB, or a number of bytes")
    if not least <= amount <= MOST:
        raise OptionError(f"{name}: {value!r} is out of range; it must be between {spoken_size(least)} and 1PiB")
    return round(amount)


def spoken_size(size: int) -> str:
    """Bytes in the shortest exact words: 512_000_000 → "512MB"."""
    for unit in ("tib", "tb", "gib", "gb", "mib", "mb", "kib", "kb"):
        if size and size % _UNITS[unit] == 0:
            letters = unit.upper().replace("IB", "iB")
            return f"{size // _UNITS[unit]}{letters}"
    return str(size)
