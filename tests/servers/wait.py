"""Waits for what no signal tells."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_S = 120.0
"""more than anything here takes, on a machine with other work to do"""


def wait(look: Callable[[], bool]) -> None:
    """Returns once `look` says yes."""
    give_up = time.monotonic() + PATIENCE_S
    while not look():
        if time.monotonic() > give_up:
            raise TimeoutError(f"{look} is not so after {PATIENCE_S:g} s")
        time.sleep(0.02)
