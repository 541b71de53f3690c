"""What was broken, what was noticed, and what was not."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path

from tests.mutate.mutant import Mutant

_EXPLAINED = Path(__file__).with_name("explained.toml")


def explained() -> dict[str, str]:
    """Why a break that nobody notices is none that anybody could: by its name."""
    table: dict[str, str] = tomllib.loads(_EXPLAINED.read_text())["explained"]
    return table


class Report:
    """The figures by file, and the breaks that nobody noticed."""

    def __init__(self, explained: dict[str, str]) -> None:
        self._explained = explained
        self._tried: Counter[str] = Counter()
        self._noticed: Counter[str] = Counter()
        self._known: Counter[str] = Counter()
        self.unexplained: list[tuple[Mutant, int]] = []

    @property
    def survivors(self) -> int:
        """Breaks that no test noticed, explained ones too."""
        return self._tried.total() - self._noticed.total()

    def add(self, mutant: Mutant, *, survived: bool, asked: int) -> None:
        """A break that was tried on so many tests."""
        self._tried[mutant.file] += 1
        if not survived:
            self._noticed[mutant.file] += 1
        elif mutant.name in self._explained:
            self._known[mutant.file] += 1
        else:
            self.unexplained.append((mutant, asked))

    def text(self) -> str:
        """All of it, as Markdown."""
        rows = [
            f"| {file} | {tried} | {self._noticed[file]} | {self._known[file]} | "
            f"{tried - self._noticed[file] - self._known[file]} |"
            for file, tried in self._tried.items()
        ]
        tried, noticed, known = self._tried.total(), self._noticed.total(), self._known.total()
        rows.append(f"| **all** | {tried} | {noticed} | {known} | {tried - noticed - known} |")
        lines = ["| file | breaks | noticed | explained | not noticed |", "|---|---|---|---|---|", *rows, ""]
        if tried:
            lines.append(f"{noticed / tried:.1%} noticed, {(noticed + known) / tried:.1%} noticed or explained")
        if self.unexplained:
            lines += ["", "Not noticed:", ""]
        lines += [
            f"- {mutant.file}:{mutant.line} ({asked} tests): `{' '.join(mutant.old.split())}` => `{mutant.new}`"
            for mutant, asked in self.unexplained
        ]
        return "\n".join(lines) + "\n"
