"""A process that has this folder on its path lives on a host whose wall clock is wrong by CHAOS_SKEW_S seconds."""

from __future__ import annotations

import os
import time

_SKEW_S = float(os.environ.get("CHAOS_SKEW_S", "0"))
_time, _time_ns = time.time, time.time_ns
time.time = lambda: _time() + _SKEW_S
time.time_ns = lambda: _time_ns() + round(_SKEW_S * 1e9)
