"""How long a place in the crew stays empty before the next child takes it."""

from __future__ import annotations

from jobd.errors import RoleError

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 30.0
LONGEST_PAUSE_FOR_JOBS_S = 2.0
LONG_LIFE_S = 60.0
"""a child that took jobs for so long begins the count anew"""


MOST_FALSE_STARTS = 10
"""children in a row that die before any of them has taken jobs: about a minute"""


class Succession:
    """The deaths at one place, as far as they follow each other. Reads no clock."""

    def __init__(self) -> None:
        self.died_young = 0
        """children in a row that did not live for a minute"""

    def pause_after(self, lived_s: float, *, had_jobs: bool) -> float:
        """Seconds to wait after a child that took jobs for `lived_s` seconds: each pause is twice the one before, up to
        half a minute. One that died with jobs in hand most likely died of a job, and that will not be among its
        successor's: after those it is never long, or a few bad jobs would keep all the good ones waiting."""
        if lived_s >= LONG_LIFE_S:
            self.died_young = 0
            return FIRST_PAUSE_S
        self.died_young += 1
        doublings = min(self.died_young - 1, 64)  # far beyond any pause, far below what a float can hold
        return min(LONGEST_PAUSE_FOR_JOBS_S if had_jobs else LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0**doublings)

    def may_begin_again(self, cause: str, *, hopeless: bool) -> None:
        """Of a place that nobody has taken yet: returns if another child may try it. Raises RoleError if the next one
        would die of the same `cause`, or so many have died that this is likely."""
        if hopeless:
            raise RoleError(f"a worker process could not begin: {cause}")
        if self.died_young >= MOST_FALSE_STARTS:
            raise RoleError(f"no worker process could begin, {self.died_young} in a row; the last one: {cause}")
