"""Rows of cells, as an aligned table for people and as tab-separated lines for programs.

A table fits into the terminal as long as it can: what people read as prose goes below its row, columns that say nothing
or matter least are left out, and names lose their ends. Ids never do.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import click

_GAP = "  "
_INDENT = "    "
_ROOM = 24
"""prose with less room than this goes below its row"""
_NOTHING = ("", "-", "0")


@dataclass(frozen=True, slots=True)
class Column:
    """A column's head, and how its cells are laid out."""

    head: str
    right: bool = False
    """numbers stand at the right"""
    least: int = 0
    """where there is no room it may lose its end, down to so many characters; 0: never"""
    spare: int = 0
    """where there is no room it may be left out, those with the highest number first; 0: never"""
    below: int = 0
    """what has no room in line stands below its row, in up to so many lines; 0: never"""


@dataclass(frozen=True, slots=True)
class Cell:
    """One value."""

    text: str
    """as people read it"""
    plain: str | None = None
    """as programs read it, where that differs"""
    colour: str | None = None
    minor: bool = False
    """not worth a line of its own below its row"""


def visible(text: str) -> str:
    """The text on one line and harmless: control characters, which a job's data may hold, are shown, not obeyed."""
    return "".join(
        letter if letter.isprintable() else " " if letter in "\t\r\n" else _escaped(letter) for letter in text
    )


def harmless(text: str) -> str:
    """As `visible`, with its line ends and tabs kept."""
    return "".join(letter if letter.isprintable() or letter in "\t\n" else _escaped(letter) for letter in text)


def aligned(
    columns: Sequence[Column], rows: Iterable[Sequence[Cell]], *, width: int | None = None, colours: bool = False
) -> Iterator[str]:
    """The lines of a table, its head first. `width`: of the terminal, None for as wide as it gets."""
    head = [Cell(column.head, colour="head") for column in columns]
    table = [[replace(cell, text=visible(cell.text)) for cell in row] for row in (head, *rows)]
    layout = _Layout(columns, table)
    if width is not None:
        layout.fit(width)
    labelled = sum(column.below > 0 for column in columns) > 1
    for row in table:
        shown = {at: layout.in_line(at, cell) for at, cell in enumerate(row)}
        yield _GAP.join(
            _laid_out(shown[at], row[at].colour if colours else None, size, right=columns[at].right)
            for at, size in layout.widths.items()
        ).rstrip()
        for at, (column, cell) in enumerate(zip(columns, row, strict=True)):
            if column.below and cell.text and not shown[at] and not cell.minor and row is not table[0]:
                label = f"{column.head.lower()}: " if labelled else ""
                for line in _wrapped(label + cell.text, (width or 0) - len(_INDENT), column.below):
                    yield _INDENT + paint(line, cell.colour if colours else None)


def tab_separated(rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    """One line a row, whole and without a head."""
    for row in rows:
        yield "\t".join(visible(cell.text if cell.plain is None else cell.plain) for cell in row)


def columns_of(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(unicodedata.combining(letter) != 0 for letter in text)


def paint(text: str, colour: str | None) -> str:
    """The text in a colour: one of click's, "head" or "dim"; None leaves it as it is."""
    if colour is None or not text:
        return text
    if colour == "head":
        return click.style(text, bold=True)
    if colour == "dim":
        return click.style(text, dim=True)
    return click.style(text, fg=colour)


def elided(text: str, size: int) -> str:
    """The text in at most `size` columns; what is missing at its end shows as "…"."""
    if columns_of(text) <= size:
        return text
    kept = text[:size]
    while kept and columns_of(kept) >= size:
        kept = kept[:-1]
    return kept.rstrip() + "…" if size else ""


class _Layout:
    """Which columns of a table are shown where, and how wide."""

    def __init__(self, columns: Sequence[Column], table: Sequence[Sequence[Cell]]) -> None:
        self._columns = columns
        self._texts = [[row[at].text for row in table[1:]] for at in range(len(columns))]
        self.widths = {at: max(columns_of(row[at].text) for row in table) for at in range(len(columns))}
        """of the columns that are shown in line"""
        for at in self._others():
            if not any(self._texts[at]):
                del self.widths[at]

    def fit(self, width: int) -> None:
        """Makes the table as narrow as `width`, if it can be had."""
        for at in self._others():
            room = width - self._total() + self.widths[at]
            if self._columns[at].below and room < self.widths[at]:
                self.widths[at] = room
                if room < _ROOM or all(columns_of(text) > room for text in self._texts[at] if text):
                    del self.widths[at]
        silent = [at for at in self._others() if set(self._texts[at]) <= set(_NOTHING)]
        spare = sorted(
            (at for at in self._others() if self._columns[at].spare and at not in silent),
            key=lambda at: self._columns[at].spare,
        )
        for at in [*silent[::-1], *spare[::-1]]:
            if self._total() > width:
                del self.widths[at]
        while (excess := self._total() - width) > 0:
            cuttable = [at for at in self.widths if 0 < self._columns[at].least < self.widths[at]]
            if not cuttable:
                return
            widest = max(cuttable, key=lambda at: self.widths[at])
            next_widest = max((self.widths[at] for at in cuttable if at != widest), default=0)
            least = max(self._columns[widest].least, min(next_widest, self.widths[widest] - 1))
            self.widths[widest] = max(least, self.widths[widest] - excess)

    def in_line(self, at: int, cell: Cell) -> str:
        """What of a cell is shown in line."""
        room = self.widths.get(at, 0)
        return "" if self._columns[at].below and columns_of(cell.text) > room else elided(cell.text, room)

    def _others(self) -> list[int]:
        """The columns in line, except for the first, without which no row could be told from another."""
        return list(self.widths)[1:]

    def _total(self) -> int:
        return sum(self.widths.values()) + len(_GAP) * (len(self.widths) - 1)


def _wrapped(text: str, width: int, lines: int) -> list[str]:
    broken = textwrap.wrap(text, max(width, _ROOM), break_on_hyphens=False)
    last = elided(" ".join(broken[lines - 1 :]), max(width, _ROOM))
    return [*broken[: lines - 1], *([last] if last else [])]


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode()


def _laid_out(text: str, colour: str | None, size: int, *, right: bool) -> str:
    blank = " " * (size - columns_of(text))
    return blank + paint(text, colour) if right else paint(text, colour) + blank
