"""The only file that reads the wall clock and rolls dice; tests bring their own."""

from __future__ import annotations

import os
import random
import sys
import time

_dice = random.Random()  # noqa: S311  what it makes is to be unlike others, and no secret
"""seeded by the system, which takes ten times as long when it is asked for each number"""
if sys.platform != "win32":
    os.register_at_fork(after_in_child=_dice.seed)


def now_ms() -> int:
    """This host's wall clock in milliseconds since 1970. Good for ids and logs, never for leases."""
    return time.time_ns() // 1_000_000


monotonic = time.monotonic
"""seconds that only ever go on; for measuring spans within this process"""
random_bits = _dice.getrandbits
dice = random.random
