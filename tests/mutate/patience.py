"""A copy of this process that ends by itself, or is ended."""

from __future__ import annotations

import os
import signal
import time


def ended(child: int, patience_s: float) -> int:
    """Its exit code. Who takes longer is ended with all that it started, and has failed."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return 1
