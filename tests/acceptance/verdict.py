"""Judges a run by the journal that the handlers wrote outside jobd, and by nothing that jobd says."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from jobd_testbed.journal import Line, read

UNSETTLED = 220
"""jobs that a worker of these tests has in hand at most: those in its slots, and those that wait for one; of so many
that ended last before a kill the store may not have heard"""


@dataclass(frozen=True)
class Verdict:
    """What happened to the jobs of these keys."""

    lost: list[str]
    """never came to their end"""
    invented: list[str]
    """ran although nobody enqueued them"""
    rerun: list[str]
    """started more than once"""
    rerun_without_cause: list[str]
    """started more than once although they did not run at the moment of the kill"""
    fences_fall: list[str]
    """were handed out under a fence that is not above the one before"""


def judge(journal: Path, keys: Collection[str], *, killed_at: float) -> Verdict:
    """`killed_at` is the moment of the kill, by the monotonic clock; infinity if nothing was killed."""
    lines = read(journal)
    starts = _by_key(lines, "start")
    ends = _by_key(lines, "end")
    rerun = [key for key, times in starts.items() if len(times) > 1]
    ended = sorted(min(line.at for line in times) for times in ends.values())
    before = [at for at in ended if at <= killed_at]
    since = before[-UNSETTLED] if len(before) >= UNSETTLED else 0.0
    return Verdict(
        lost=[key for key in keys if key not in ends],
        invented=[key for key in starts if key not in set(keys)],
        rerun=rerun,
        rerun_without_cause=[key for key in rerun if not _ran_at(starts[key], ends.get(key, []), since, killed_at)],
        fences_fall=[key for key, times in starts.items() if not _grow([line.fence for line in times])],
    )


def ended(journal: Path) -> int:
    """How many jobs have come to their end so far."""
    return len(Counter(line.key for line in read(journal) if line.what == "end"))


def _by_key(lines: list[Line], what: str) -> dict[str, list[Line]]:
    found: dict[str, list[Line]] = {}
    for line in lines:
        if line.what == what:
            found.setdefault(line.key, []).append(line)
    return found


def _ran_at(starts: list[Line], ends: list[Line], since: float, killed_at: float) -> bool:
    first_end = min((line.at for line in ends), default=killed_at)
    return starts[0].at <= killed_at and first_end >= since


def _grow(fences: list[int]) -> bool:
    return all(later > earlier for earlier, later in itertools.pairwise(fences))
