"""What producers ask for: jobs of all kinds whose fate the history can judge."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

KINDS = {
    "plain": 30,
    "thread": 6,
    "long": 4,
    "delayed": 10,
    "failing": 8,
    "limited": 10,
    "ordered": 10,
    "unique": 6,
    "parent": 8,
    "cancelled": 4,
    "wrong": 2,
    "set": 2,
}
"""of 100 wishes, about so many"""
ONLY = "CHAOS_KINDS"
"""how producers learn of which kinds alone"""
OPTIONS = "CHAOS_OPTIONS"
"""and what they are to say of each job, as a JSON object"""
ALL_OR_NONE = 10
"""jobs in a set"""
MOST_AT_A_TIME = 2
"""of a limited key"""


@dataclass
class Item:
    """One job to ask for: the data of its handler, its options as the API takes them, what the checker must know."""

    kind: str
    key: str
    data: dict[str, Any]
    options: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def type(self) -> str:
        return "chaos-sync" if self.kind == "thread" else "chaos"

    def body(self) -> dict[str, Any]:
        """As the HTTP API takes it."""
        return {"type": self.type, "id": self.key, "data": self.data, **self.options}


class Wishes:
    """Draws wishes, for one life of a producer."""

    def __init__(
        self, seed: str, prefix: str, kinds: Sequence[str] = (), options: Mapping[str, str] | None = None
    ) -> None:
        """`prefix` is what all keys begin with, of this life and no other. `kinds`: nothing else is wished.
        `options`: said of each."""
        self._kinds = {kind: weight for kind, weight in KINDS.items() if kind in kinds or not kinds}
        self._options = options or {}
        self._dice = random.Random(seed)
        self._prefix = prefix
        self._number = 0

    def draw(self) -> list[Item]:
        """The next one: one job, or a set of which all or none are to be taken in."""
        (kind,) = self._dice.choices(list(self._kinds), list(self._kinds.values()))
        if kind != "set":
            return [self._item(kind)]
        first = f"{self._prefix}-{self._number + 1}"
        items = [self._item("plain") for _ in range(ALL_OR_NONE)]
        for item in items:
            item.kind, item.facts["set"] = "set", first
        return items

    def _item(self, kind: str) -> Item:
        self._number += 1
        key = f"{self._prefix}-{self._number}"
        dice = self._dice
        item = Item(kind, key, {"key": key, "seconds": round(dice.uniform(0.002, 0.05), 3)})
        item.options = dict(self._options)
        match kind:
            case "long":
                item.data["seconds"] = round(dice.uniform(0.5, 3), 2)
            case "delayed":
                delay_ms = dice.randrange(200, 3_000)
                item.options["delay_ms"], item.facts["delay"] = delay_ms, delay_ms / 1_000
            case "failing":
                item.data["fails"] = item.facts["fails"] = dice.randrange(1, 3)
            case "limited":
                limit = f"{self._prefix}-limit"
                item.options |= {"concurrency_key": limit, "concurrency": MOST_AT_A_TIME}
                item.facts = {"limit": limit, "most": MOST_AT_A_TIME}
                item.data["seconds"] = round(dice.uniform(0.2, 0.6), 3)
            case "ordered":
                order = f"{self._prefix}-order-{dice.randrange(2)}"
                item.data["seconds"] = round(dice.uniform(0.02, 0.3), 3)
                item.options["ordering_key"] = item.facts["order"] = order
            case "unique":
                unique = f"{self._prefix}-unique-{dice.randrange(3)}"
                conflict = dice.choice(["existing", "error"])
                item.options["unique"] = {"key": unique, "on_conflict": conflict}
                item.facts = {"unique": unique}
                item.data["seconds"] = round(dice.uniform(0.05, 0.5), 3)
            case "parent":
                item.data["child"] = item.facts["child"] = True
            case "cancelled":
                item.options["delay_ms"] = dice.randrange(500, 3_000)
            case "wrong":
                item.data["colour"] = "blue"  # no field of the payload
        return item
