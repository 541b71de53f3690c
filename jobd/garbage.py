"""Python's search for garbage in circles, as suits a process that has started and lives long."""

from __future__ import annotations

import gc
from typing import Final

MOST_NEW: Final = 10_000
"""objects that may be made before the new ones are looked through; many requests under way have thousands"""
OF_A_JOB: Final = 40
"""objects that a job under way has, handler included; what is under way is no garbage, however often it is looked at"""


def look_less(*, jobs: int = 0) -> None:
    """What is there now stays, and is not looked through again and again, which takes a tenth of the time of a busy
    process; and new objects only when there are more than belong to so many `jobs` under way."""
    gc.freeze()
    gc.set_threshold(MOST_NEW + OF_A_JOB * jobs)
