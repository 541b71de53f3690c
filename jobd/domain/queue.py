"""Queues as they read back, and what stops them: pauses of a queue, a group in it, or a type."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jobd.domain.job import moment
from jobd.domain.limits import Scope, scope_of
from jobd.domain.state import ENDED, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A queue, a group of a queue, or a job type that starts no jobs; those that run go on. Names of queues and types
    are in the form in which `_` and `-` are the same."""

    queue: str | None = None
    group: str | None = None
    """of the queue"""
    type: str | None = None
    reason: str | None = None
    by: str | None = None
    at: datetime
    until: datetime | None = None
    """when it ends by itself; None: when somebody resumes it"""

    @property
    def what(self) -> str:
        """What is paused, in words."""
        if self.type is not None:
            return f"type {self.type}"
        return f"queue {self.queue}" if self.group is None else f"group {self.group} of queue {self.queue}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A queue: how many jobs it has in each state, and what is paused in it."""

    name: str
    counts: Mapping[State, int]
    paused: Pause | None = None
    """its own pause"""
    paused_groups: tuple[Pause, ...] = field(default=())

    def __getitem__(self, state: State) -> int:
        """How many jobs it has in this state."""
        return self.counts.get(state, 0)

    @property
    def unfinished(self) -> int:
        """How many of its jobs have not ended."""
        return sum(count for state, count in self.counts.items() if state not in ENDED)


def pause_in(gate: str, rule: Mapping[str, Any], now_ms: float) -> Pause | None:
    """The pause that the rule of a gate says; None if there is none, or its end has come."""
    said = rule.get("paused")
    return pause_of(gate, said) if said and said.get("until_ms", math.inf) > now_ms else None


def pause_of(gate: str, said: Mapping[str, Any]) -> Pause:
    """The pause of a gate, as its rule says it."""
    scope, names = scope_of(gate)
    return Pause(
        queue=names[0] if scope in (Scope.QUEUE, Scope.GROUP) else None,
        group=names[1] if scope is Scope.GROUP else None,
        type=names[0] if scope is Scope.TYPE else None,
        reason=said.get("reason"),
        by=said.get("by"),
        at=moment(said.get("at_ms", 0)),
        until=moment(said["until_ms"]) if "until_ms" in said else None,
    )
