"""How often something that crashes is started again, how long to wait before it, and when to give up."""

from __future__ import annotations

from collections import deque


class Restarts:
    """Counts crashes. The first restart comes after `first` seconds, each further one after twice the time, at most
    `longest`; more than `most` crashes `within` so many seconds are too many."""

    def __init__(self, *, first: float = 0.1, longest: float = 5.0, most: int = 10, within: float = 60.0) -> None:
        self._first = first
        self._longest = longest
        self.most = most
        self.within = within
        self._crashes: deque[float] = deque()

    def delay(self, now: float) -> float | None:
        """Note a crash at `now` (monotonic seconds): seconds to wait before the restart, None if it is one too many."""
        self._crashes.append(now)
        while self._crashes[0] <= now - self.within:
            self._crashes.popleft()
        if len(self._crashes) > self.most:
            return None
        return min(self._longest, self._first * 2.0 ** (len(self._crashes) - 1))
