"""When somebody sets the clock of the server, and by how much."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

_MOSTLY_MS = (500, 5_000, 30_000, 120_000)
"""so much one way or the other: less than anything lasts, than a lease, more than one, more than a call may be late"""


class ClockSteps:
    """In every third world, by dice of its own: the other worlds are as they were without it."""

    def __init__(self, seed: int) -> None:
        dice = Random(f"the clock of {seed}")
        count = dice.choice([0, 0, 1, 2, 4]) if seed % 3 == 2 else 0
        self._steps = [
            (dice.expovariate(1 / 10), round(dice.choice(_MOSTLY_MS) * dice.uniform(-1, 1))) for _ in range(count)
        ]

    def __iter__(self) -> Iterator[tuple[float, int]]:
        """Pauses in seconds, each with the step in milliseconds that follows it."""
        return iter(self._steps)

    @property
    def back_s(self) -> float:
        """How much later than without them something may happen."""
        return sum(max(0, -ms) for _, ms in self._steps) / 1_000
