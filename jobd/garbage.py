"""Python's search for garbage in circles, as suits a process that has started and lives long."""

from __future__ import annotations

import gc
from typing import Final

MOST_NEW: Final = 10_000
"""objects that may be made before the new ones are looked through; many jobs or requests under way have thousands"""


def look_less() -> None:
    """What is there now stays, and is not looked through again and again, which takes a tenth of the time of a busy
    process; and new objects only when there are many."""
    gc.freeze()
    gc.set_threshold(MOST_NEW)
