"""Options of jobs as flags of a command."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from jobd.cli.options import Field
from jobd.domain.options import ROWS, Level, Row, put_together
from jobd.errors import OptionError


class Value(click.ParamType[Any]):
    """The value of an option, as the option itself reads it."""

    def __init__(self, row: Row) -> None:
        self.name = row.keyword
        self._row = row

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Fails, saying what is allowed, if it is not one."""
        try:
            return self._row.from_text(value) if isinstance(value, str) else value
        except OptionError as error:
            self.fail(str(error).removeprefix(f"{self.name}: "), param, ctx)


def options_at(level: Level, *, hidden: str = "") -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Adds a flag for each option that this level has; the command gets them together as `options`. Help is silent on
    the `hidden` one, of which the command says itself why it is no use."""
    rows = {row.keyword: row for row in ROWS.values() if level in row.levels}

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def command(*args: Any, **given: Any) -> None:
            values: dict[str, Any] = {}
            for keyword, row in rows.items():
                value = given.pop(keyword)
                if row.kind.many and value:
                    value = row.parse(dict(value) if row.kind.many == "fields" else value)
                if value not in (None, ()):
                    values[keyword] = value
            function(*args, options=put_together(values), **given)

        with_flags: Callable[..., None] = command
        for row in reversed(list(rows.values())):
            with_flags = _flag(row, hidden=row.keyword == hidden)(with_flags)
        return with_flags

    return decorate


job_options = options_at(Level.JOB)
"""adds a flag for each option of a job"""
change_options = options_at(Level.JOB, hidden="queue")
"""adds a flag for each option of a job that may be changed"""


def _flag(row: Row, *, hidden: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    kinds: dict[str, click.ParamType[Any]] = {"words": click.STRING, "fields": Field()}
    return click.option(
        f"--{row.flag.replace('_', '-')}",
        row.keyword,
        metavar=row.kind.metavar,
        type=kinds.get(row.kind.many) or Value(row),
        multiple=bool(row.kind.many),
        hidden=hidden,
        help=f"{row.about[0].upper()}{row.about[1:]}.",
    )
