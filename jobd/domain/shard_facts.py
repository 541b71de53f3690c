"""The shards of a store as they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MOST_SHARDS: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardFacts:
    """One shard of the store."""

    number: int
    """from 0 on"""
    node: str
    """the server that it is on now"""
    jobs: int
    """how many are in it, ended ones too"""
    workers: int
    """how many worker processes serve it"""
