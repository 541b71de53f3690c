"""What was measured: for each row and contender, the figures of all repetitions."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.bench.contender import Contender
from tests.bench.parts.part import Part, Row


@dataclass
class Findings:
    """All figures of a run."""

    contenders: Sequence[Contender]
    parts: Sequence[Part]
    figures: dict[str, dict[str, list[float]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    """row → contender → a figure of each repetition"""
    failures: list[str] = field(default_factory=list)

    def add(self, contender: Contender, figures: Mapping[str, float]) -> None:
        """What one measurement brought."""
        for row, figure in figures.items():
            self.figures[row][contender.name].append(figure)

    def rows(self) -> list[Row]:
        """All that were asked for."""
        return [row for part in self.parts for row in part.rows]

    def median(self, row: str, contender: str) -> float | None:
        """The median of the repetitions; None where nothing was measured."""
        found = self.figures.get(row, {}).get(contender)
        return statistics.median(found) if found else None

    def best_peer(self, row: Row, *, language: str = "") -> tuple[str, float] | None:
        """The peer with the best median, of all or of one language."""
        peers = [
            (figure, contender.name)
            for contender in self.contenders
            if contender.kind == "peer" and language in ("", contender.language)
            if (figure := self.median(row.name, contender.name)) is not None
        ]
        if not peers:
            return None
        figure, name = max(peers) if row.more_is_better else min(peers)
        return name, figure
