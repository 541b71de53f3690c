"""Rows of cells, as an aligned table for people and as tab-separated lines for programs."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import click

_GAP = "  "
_LEAST = 8
"""characters that a column is cut down to at most"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column's head, and how its cells are laid out."""

    head: str
    right: bool = False
    """numbers stand at the right"""
    may_be_cut: bool = False
    """may be cut where the terminal is too narrow; ids never are"""


@dataclass(frozen=True, slots=True)
class Cell:
    """One value."""

    text: str
    """as people read it"""
    plain: str | None = None
    """as programs read it, where that differs"""
    colour: str | None = None


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
    table = [[(visible(cell.text), cell.colour) for cell in row] for row in (head, *rows)]
    widths = [max(columns_of(row[at][0]) for row in table) for at in range(len(columns))]
    if width is not None:
        _narrow(widths, columns, width)
    for row in table:
        yield _GAP.join(
            _laid_out(_cut(text, size), colour if colours else None, size, right=column.right)
            for column, size, (text, colour) in zip(columns, widths, row, strict=True)
        ).rstrip()


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


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode()


def _cut(text: str, size: int) -> str:
    if columns_of(text) <= size:
        return text
    kept = text[:size]
    while columns_of(kept) >= size:
        kept = kept[:-1]
    return kept + "…"


def _narrow(widths: list[int], columns: Sequence[Column], width: int) -> None:
    """Takes what is too much from the columns that may be cut, the last one first."""
    for at in reversed(range(len(columns))):
        excess = sum(widths) + len(_GAP) * (len(widths) - 1) - width
        if excess > 0 and columns[at].may_be_cut:
            widths[at] = max(min(widths[at], _LEAST), widths[at] - excess)


def _laid_out(text: str, colour: str | None, size: int, *, right: bool) -> str:
    blank = " " * (size - columns_of(text))
    return blank + paint(text, colour) if right else paint(text, colour) + blank
