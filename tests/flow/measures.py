"""What is to be learnt from the times at which jobs started."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """How jobs of a rate started, by the store's clock."""

    starts: int
    most: int
    """in any window, wherever it begins"""
    deviation: float
    """of the rate that came about from the one that was allowed: -0.02 is two per cent too slow"""


def pace(starts: Sequence[float], count: int, per_s: float) -> Pace:
    """For starts in seconds, in order, of jobs of which there were always enough. There must be more than `count`."""
    # a start counts up to, and not at, the end of its window
    most = max(bisect_left(starts, start + per_s) - at for at, start in enumerate(starts))
    taken = [later - earlier for earlier, later in zip(starts, starts[count:], strict=False)]
    return Pace(len(starts), most, per_s / (sum(taken) / len(taken)) - 1)


def silences(starts: Sequence[float], kills: Sequence[float]) -> list[float]:
    """For each kill, how long nothing started behind it, in seconds."""
    return [starts[at] - kill for kill in kills if (at := bisect_right(starts, kill)) < len(starts)]


def passed_by(mine: Sequence[float], others: Sequence[float]) -> int:
    """How many others started before the last of mine, or in the same moment."""
    return sum(1 for other in others if other <= mine[-1])
