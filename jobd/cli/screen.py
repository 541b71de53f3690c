"""What a command prints on: data to standard output, all else to standard error."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from jobd import clock
from jobd.cli.streams import complain
from jobd.cli.table import Cell, Column, aligned, harmless, paint, tab_separated
from jobd.cli.times import relative
from jobd.domain.rendering import time_to_json
from jobd.domain.state import State

STATUS_COLOURS: Mapping[State, str] = {
    State.WAITING: "yellow",
    State.DELAYED: "magenta",
    State.BLOCKED: "dim",
    State.ACTIVE: "cyan",
    State.COMPLETED: "green",
    State.FAILED: "red",
    State.CANCELLED: "dim",
}


class Screen:
    """`form` is how data is written: "table", "tsv", "json", or None for a table on a terminal and tsv elsewhere."""

    def __init__(self, form: str | None = None) -> None:
        self.on_terminal = sys.stdout.isatty()
        self.form = form or ("table" if self.on_terminal else "tsv")
        self.colours = _colours(self.on_terminal)
        self.now = datetime.fromtimestamp(clock.now_ms() / 1_000, UTC)

    @property
    def is_json(self) -> bool:
        """Do programs read this?"""
        return self.form == "json"

    def json(self, value: Any) -> None:
        """A value, as JSON."""
        click.echo(json_text(value))

    def rows(self, columns: Sequence[Column], rows: Iterable[Sequence[Cell]], *, none: str) -> None:
        """Rows; when there are none, `none` says so to people."""
        listed = list(rows)
        if self.form == "tsv":
            for line in tab_separated(listed):
                click.echo(line, color=True)
        elif listed:
            self.table(columns, listed)
        else:
            self.note(none)

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> None:
        """Rows as a table, whoever reads them."""
        width = shutil.get_terminal_size().columns if self.on_terminal else None
        for line in aligned(columns, rows, width=width, colours=self.colours):
            click.echo(line, color=True)

    def line(self, text: str = "", colour: str | None = None) -> None:
        """A line of data; control characters in it are shown, not obeyed."""
        click.echo(self.painted(harmless(text), colour), color=True)

    def styled(self, text: str) -> None:
        """A line of data whose parts are painted already, and known to be harmless."""
        click.echo(text, color=True)

    def note(self, text: str) -> None:
        """A line beside the data, for people."""
        if not self.is_json:
            complain(harmless(text))

    def painted(self, text: str, colour: str | None) -> str:
        """The text in a colour, if the terminal shows colours."""
        return paint(text, colour if self.colours else None)

    def time(self, moment: datetime | None) -> Cell:
        """The cell of a moment: "3m ago" for people."""
        if moment is None:
            return Cell("-", "")
        return Cell(relative(moment, self.now), time_to_json(moment))

    def since(self, ms: float) -> Cell:
        """The cell of a moment in milliseconds since 1970."""
        return self.time(datetime.fromtimestamp(ms / 1_000, UTC))


def status_cell(status: State) -> Cell:
    """The cell of a state."""
    return Cell(status.value, colour=STATUS_COLOURS[status])


def json_text(value: Any) -> str:
    """JSON as commands print it."""
    # not orjson: integers may have any size
    return json.dumps(value, indent=2, ensure_ascii=False)


def _colours(on_terminal: bool) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return on_terminal and os.environ.get("TERM", "dumb") != "dumb"
