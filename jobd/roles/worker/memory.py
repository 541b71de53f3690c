"""How much memory this process has."""

from __future__ import annotations

import resource
import sys
from pathlib import Path


def memory_in_use() -> int:
    """Bytes that it holds now; where the system does not say that, the most that it ever held."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except FileNotFoundError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1_024
