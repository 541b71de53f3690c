"""One way to break one place in a file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """The text from `start` to `end` becomes `new`."""

    file: str
    line: int
    start: int
    end: int
    old: str
    new: str

    @property
    def name(self) -> str:
        """What it is known by in reports and in the list of those that are explained: it does not hang on the number of
        its line, which changes with every line above."""
        return f"{self.file}: {' '.join(self.old.split())} => {self.new}"

    def applied(self, text: str) -> str:
        """The file with the break in it."""
        return text[: self.start] + self.new + text[self.end :]
