"""The only file that reads the wall clock and rolls dice; tests bring their own."""

from __future__ import annotations

import random
import time

_dice = random.SystemRandom()


def now_ms() -> int:
    """This host's wall clock in milliseconds since 1970. Good for ids and logs, never for leases."""
    return time.time_ns() // 1_000_000


def monotonic() -> float:
    """Seconds that only ever go on; for measuring spans within this process."""
    return time.monotonic()


random_bits = _dice.getrandbits
dice = random.random
