"""What a long run shows: the figures, and whether they hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MOST_GROWTH = 1.1
"""what a process may have at the end, as a part of what it had after a fifth of the run"""
SPARE = 8 * 2**20
"""bytes that are no growth: what an allocator keeps here or there"""


@dataclass(frozen=True)
class Sample:
    """What there was after so many jobs, with none waiting."""

    jobs: int
    rate: float
    used: int
    """bytes that the server uses for data"""
    rss: Mapping[str, int]
    """of each process"""

    def __str__(self) -> str:
        sizes = " | ".join(f"{size / 2**20:.1f}" for size in (*self.rss.values(), self.used))
        return f"| {self.jobs:,} | {self.rate:,.0f} | {sizes} |"


def faults(samples: Sequence[Sample], runs: Counter[int], jobs: int) -> list[str]:
    """What is wrong; nothing if all is well."""
    found = []
    if runs != {1: jobs}:
        found.append(f"jobs by how often they ran: {dict(runs)}, and each should once")
    if len(samples) < 5:
        return [*found, "too few looks to tell growth"]
    warm, last = samples[len(samples) // 5], samples[-1]
    for who, size in last.rss.items():
        if who != "server" and size > MOST_GROWTH * warm.rss[who] + SPARE:
            found.append(f"{who} grew from {warm.rss[who]:,} to {size:,} bytes")
    if has_grown(samples):
        found.append(f"the server's data grew to {last.used:,} bytes")
    return found


def has_grown(samples: Sequence[Sample]) -> bool:
    """Does the server have more data than after a fifth of the run? The ids of removed jobs, which it remembers for two
    or three minutes, are some: a quick run must wait until they are forgotten."""
    return samples[-1].used > MOST_GROWTH * samples[len(samples) // 5].used + SPARE


def page(samples: Sequence[Sample], found: Sequence[str]) -> str:
    """The report, as Markdown."""
    head = "| jobs | jobs/s | " + " | ".join(f"{who}, MiB" for who in samples[0].rss) + " | server's data, MiB |"
    lines = [head, "|" + "---|" * (head.count("|") - 1), *map(str, samples), ""]
    return "\n".join([*lines, *(found or ["No job ran twice, none was lost, and nothing grew."])]) + "\n"
