"""How long this machine holds up a program that has work and waits for nobody: the host of a virtual machine does, the
kernel, and whatever else has a turn. A command that takes as long cannot be told from that."""

from __future__ import annotations

import os
import time

LOOKS_S = 5.0
"""at each core"""


def longest_held_ms() -> float:
    """The longest time, in milliseconds, in which a program that only looked at the clock had none of a core."""
    cores = os.sched_getaffinity(0)
    try:
        return max(_longest_ns(core) for core in sorted(cores)) / 1e6
    finally:
        os.sched_setaffinity(0, cores)


def _longest_ns(core: int) -> int:
    os.sched_setaffinity(0, {core})
    longest, last = 0, time.perf_counter_ns()
    end = last + int(LOOKS_S * 1e9)
    while last < end:
        now = time.perf_counter_ns()
        longest, last = max(longest, now - last), now
    return longest
