"""Times as people say them."""

from __future__ import annotations

from datetime import datetime

_STEPS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def relative(moment: datetime, now: datetime) -> str:
    """How far `moment` is from now: "3m ago", "in 2h", "now"."""
    seconds = (now - moment).total_seconds()
    if abs(seconds) < 1:
        return "now"
    words = _coarse(int(abs(seconds)))
    return f"{words} ago" if seconds > 0 else f"in {words}"


def span(ms: float) -> str:
    """How long something took: "87ms", "1.25s", "3m20s", "2h5m"."""
    if ms < 1_000:
        return f"{ms:.0f}ms"
    if ms < 60_000:
        return f"{ms / 1_000:.3g}s"
    return _coarse(int(ms // 1_000), parts=2)


def _coarse(seconds: int, parts: int = 1) -> str:
    words: list[str] = []
    for letter, size in _STEPS:
        count, seconds = divmod(seconds, size)
        if count or words:
            words.append(f"{count}{letter}" if count else "")
    return "".join(words[:parts])
