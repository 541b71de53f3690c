"""Batches: how many jobs of one type its handler takes in one call, and how long the first waits for the others."""

from __future__ import annotations

from dataclasses import dataclass

from jobd.domain.duration import Duration, milliseconds, spoken
from jobd.errors import OptionError

MOST = 1_000
DEFAULT_WAIT_MS = 100
LONGEST_WAIT_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Batch:
    """What a job type says of its batches."""

    size: int
    """jobs in one call at most"""
    wait_ms: int
    """how long the first job of a batch waits for others, in milliseconds"""
    mixed: bool
    """may one call have jobs of several groups?"""


def read_batch(size: int | None, wait: Duration | None, mixed: bool) -> Batch | None:
    """From what the decorator was given; None if the handler takes its jobs one by one. Raises OptionError."""
    if size is None:
        if wait is not None or mixed:
            raise OptionError(
                f"{'batch_mixed' if mixed else 'batch_wait'}: say how many jobs are one batch, as batch=100"
            )
        return None
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= MOST:
        raise OptionError(f"batch: {size!r} is not a whole number from 1 to {MOST:,}")
    wait_ms = DEFAULT_WAIT_MS if wait is None else milliseconds(wait, name="batch_wait")
    if wait_ms > LONGEST_WAIT_MS:
        raise OptionError(f"batch_wait: {wait!r} is too long; it may be up to {spoken(LONGEST_WAIT_MS)}")
    return Batch(size, wait_ms, bool(mixed))
