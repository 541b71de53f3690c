"""Who serves the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A process that has joined: a worker, a scheduler, a monitor."""

    id: str
    kind: str
    lines: tuple[str, ...]
    """the queues it serves; '*' is all, '!…' suspects"""
    about: Mapping[str, Any]
    """host, pid, slots and the like"""
    joined_at_ms: float
    lease_until_ms: float
    alive: bool
    holds: int
    """jobs in its hands"""
    shard: int = 0
    """the number of the shard that it serves"""
