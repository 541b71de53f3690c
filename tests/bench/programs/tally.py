"""What was called, what ran, when and how often: a file that all programs of one measurement share.

Needs nothing but the standard library, as it runs in the environment of every contender. For each job there are four
integers of 64 bits: when its enqueue was called, when its handler began for the first and for the last time, in
nanoseconds of the machine's monotonic clock, and how many times it ran.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from time import monotonic_ns

CALLED, FIRST, LAST, RUNS = range(4)
_CELLS = 4
_RECORD = 8 * _CELLS


class Tally:
    """The file, mapped into this process."""

    def __init__(self, path: str | Path) -> None:
        descriptor = os.open(path, os.O_RDWR)
        try:
            self._cells = memoryview(mmap.mmap(descriptor, 0)).cast("q")
        finally:
            os.close(descriptor)
        self.count = len(self._cells) // _CELLS
        self._done = 0

    @classmethod
    def create(cls, path: Path, count: int) -> Tally:
        """A new one, for jobs 0 to `count` - 1."""
        with path.open("wb") as file:
            file.truncate(_RECORD * max(1, count))
        return cls(path)

    def called(self, number: int) -> None:
        """The job is about to be enqueued."""
        self._cells[_CELLS * number + CALLED] = monotonic_ns()

    def ran(self, number: int) -> int:
        """The handler of the job begins; how many times it has done so, this one included."""
        at = _CELLS * number
        cells = self._cells
        cells[at + LAST] = now = monotonic_ns()
        runs = cells[at + RUNS] = cells[at + RUNS] + 1
        if runs == 1:
            cells[at + FIRST] = now
        return runs

    def done(self, times: int = 1) -> int:
        """How many jobs, counted from the first, have run this many times without a gap. Goes on where it was."""
        cells, at = self._cells, self._done
        while at < self.count and cells[_CELLS * at + RUNS] >= times:
            at += 1
        self._done = at
        return at

    def runs(self) -> list[int]:
        """How many times each job ran."""
        return self._cells[RUNS::_CELLS].tolist()

    def times(self, cell: int) -> list[int]:
        """One of CALLED, FIRST and LAST of each job, in nanoseconds; 0: not yet."""
        return self._cells[cell::_CELLS].tolist()

    def delays_ms(self, first: int) -> list[float]:
        """For each job from `first`: milliseconds from the call of enqueue to the start of its handler."""
        pairs = zip(self.times(CALLED)[first:], self.times(FIRST)[first:], strict=True)
        return [(end - start) / 1e6 for start, end in pairs]


_mine: Tally | None = None


def mine() -> Tally:
    """The tally that the environment of this process names."""
    global _mine
    if _mine is None:
        _mine = Tally(os.environ["BENCH_TALLY"])
    return _mine


def ran(number: int) -> int:
    """See Tally.ran."""
    return mine().ran(number)
