"""What is kept of ended jobs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Retention:
    """How many ended jobs a queue keeps, and for how long."""

    completed: int = 10_000
    failed: int = 10_000
    """failed ones, and as many cancelled ones"""
    completed_ms: int = 24 * 3_600_000
    failed_ms: int = 30 * 24 * 3_600_000
    least: int = 1_000
    """so many that have just ended stay until the pruner comes, for those who wait for their results"""

    @property
    def most_completed(self) -> int:
        """How many completed ones there are at any moment."""
        return max(self.completed, self.least)

    @property
    def most_failed(self) -> int:
        """How many failed ones there are at any moment, and cancelled ones."""
        return max(self.failed, self.least)
