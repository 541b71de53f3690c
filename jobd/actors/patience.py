"""How often an actor may crash before it is given up."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """An actor may crash `crashes` times within `window` seconds; the next time is once too often.

    After each crash comes a pause, in seconds: the first is `first_pause`, each further one within the window twice the
    one before, none longer than `longest_pause`.
    """

    crashes: int = 10
    window: float = 60.0
    first_pause: float = 0.1
    longest_pause: float = 5.0


class Crashes:
    """The crashes of one actor, as far back as its patience reaches. Reads no clock."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._times: deque[float] = deque(maxlen=patience.crashes + 1)

    def add(self, now: float) -> None:
        """Take note of a crash at `now`, in seconds of any clock that does not run backwards."""
        while self._times and self._times[0] <= now - self._patience.window:
            self._times.popleft()
        self._times.append(now)

    @property
    def too_many(self) -> bool:
        """Whether the last crash was once too often."""
        return len(self._times) > self._patience.crashes

    @property
    def pause(self) -> float:
        """How long to wait after the last crash, in seconds."""
        doublings = min(len(self._times) - 1, 64)  # far beyond any pause, far below what a float can hold
        return min(self._patience.longest_pause, self._patience.first_pause * 2.0**doublings)
