"""What a part of the benchmark is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.contender import Contender
from tests.bench.environments import Environments
from tests.bench.stage import Stage

Figures = Mapping[str, float]


@dataclass(frozen=True)
class Row:
    """One figure of the table."""

    name: str
    title: str
    unit: str
    more_is_better: bool = True


@dataclass
class Bench:
    """What holds for the whole run."""

    jobs: int
    probes: int
    full: bool
    fsync: str
    seconds: float
    environments: Environments
    sizes: dict[str, int] = field(default_factory=dict)

    def stage(self, contender: Contender, jobs: int, *, fsync: str | None = None, slow_us: int = 1_000_000) -> Stage:
        """Where one measurement happens."""
        return Stage(contender, self.executables(contender), jobs, fsync=fsync or self.fsync, slow_us=slow_us)

    def executables(self, contender: Contender) -> Path:
        """The folder with the programs of its environment."""
        return self.environments.executables(contender)


@dataclass(frozen=True)
class Part:
    """One measurement and the rows that come of it."""

    name: str
    """what `--only` takes"""
    about: str
    rows: tuple[Row, ...]
    takes: Callable[[Contender], bool]
    """does it say anything about this contender?"""
    measure: Callable[[Bench, Contender], Figures]
    table: str = "jobd alone"
    """the heading of the table that it belongs to"""
    repeated: bool = True
    """False: it counts what does not jitter, and is measured once"""


def queues(contender: Contender) -> bool:
    """All that take jobs in and run them."""
    return "one" in contender.workers


def only_jobd(contender: Contender) -> bool:
    """What has no counterpart elsewhere, or is compared with jobd itself."""
    return contender.kind == "jobd"
