"""Draws up a schedule of faults from a seed. The same seed and options make the same schedule."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class FaultKind:
    """One way in which things go wrong."""

    name: str
    about: str
    roles: tuple[str, ...]
    """whom it may hit"""
    lasts: bool = True
    """for a time that the schedule says; else it is over at once"""
    weight: int = 3


_LINED = ("line",)
_ROLES = ("monitor", "scheduler", "api", "producer")
KINDS = {
    kind.name: kind
    for kind in (
        FaultKind("kill-child", "kill -9 of the process that runs the jobs", ("worker",), lasts=False, weight=6),
        FaultKind("kill-supervisor", "kill -9 of a worker's supervisor, its children live on", ("worker",)),
        FaultKind("kill-tree", "kill -9 of a worker with all its processes", ("worker",)),
        FaultKind("kill-role", "kill -9 of a monitor, scheduler, API or producer", _ROLES, weight=5),
        FaultKind("kill-server", "kill -9 of the server; it starts again, or its replica takes over", ("server",)),
        FaultKind("stop-child", "SIGSTOP of the process that runs the jobs, then SIGCONT", ("worker",)),
        FaultKind("stop-supervisor", "the same with a worker's supervisor alone: nobody renews leases", ("worker",)),
        FaultKind("stop-tree", "the same with a worker and all its processes", ("worker",), weight=5),
        FaultKind("stop-role", "the same with a monitor, scheduler, API or producer", _ROLES),
        FaultKind("stop-server", "the same with the server", ("server",), weight=2),
        FaultKind("hold-requests", "requests are held up on their way, and arrive late", _LINED),
        FaultKind("hold-replies", "replies are held up on their way, and arrive late", _LINED),
        FaultKind("partition", "both are held up", _LINED),
        FaultKind("slow", "each way takes 50 to 300 ms longer", _LINED),
        FaultKind("reset", "all lines break", _LINED, lasts=False),
        FaultKind("cut-replies", "what was asked is done, and instead of the reply the line breaks", _LINED, weight=5),
        FaultKind("flush-scripts", "FUNCTION FLUSH: the server forgets scripts", ("server",), lasts=False, weight=2),
        FaultKind(
            "skew",
            "killed, and started again with a wall clock that is wrong by up to 2 h",
            ("worker", "monitor", "scheduler", "api"),
        ),
        FaultKind("full-disk", "the server's file can grow no more", ("server",), weight=2),
        FaultKind("failover", "the replica takes over as for maintenance", ("replicated",), lasts=False),
        FaultKind("move-slot", "jobd's keys move to another master of the Cluster", ("cluster",), lasts=False),
    )
}
ELECTION = "election"
"""what nobody does on purpose: a replica took over though its master was well"""
ABOUT = {kind.name: kind.about for kind in KINDS.values()} | {
    ELECTION: "a replica took over by itself: its watchers did not hear of a busy master in time"
}
"""what the faults in a history are"""


@dataclass(frozen=True)
class Blow:
    """One fault at a time, to be."""

    at_s: float
    """after the start"""
    kind: FaultKind
    target: str
    lasts_s: float
    dice: float
    """0 to 1, for what else is to be chosen"""

    def __str__(self) -> str:
        lasts = f" for {self.lasts_s:.1f} s" if self.kind.lasts else ""
        return f"{self.at_s:7.1f} s  {self.kind.name} {self.target}{lasts}"


def draw_up(
    seed: str,
    names: Collection[str],
    targets: Callable[[tuple[str, ...]], list[str]],
    *,
    seconds: float,
    every_s: float,
    lease_s: float,
) -> list[Blow]:
    """A schedule of the faults of these `names`, one `every_s` on average; `targets` gives the players of roles."""
    dice = random.Random(f"nemesis {seed}")
    # what has nobody to hit there is left out
    kinds = [KINDS[name] for name in KINDS if name in names and targets(KINDS[name].roles)]
    schedule: list[Blow] = []
    at_s = 1.0
    while kinds and (at_s := at_s + dice.expovariate(1 / every_s)) < seconds:
        (kind,) = dice.choices(kinds, [kind.weight for kind in kinds])
        target = dice.choice(targets(kind.roles))
        longest_s = lease_s if target == "server" else 3 * lease_s
        lasts_s = dice.uniform(0.1, longest_s) if kind.name.startswith("stop") else dice.uniform(0.1, longest_s / 2)
        schedule.append(Blow(at_s, kind, target, lasts_s, dice.random()))
    return schedule
