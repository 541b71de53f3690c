"""A group whose commands are imported when they are used, so that help appears at once."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import click


class Entry(NamedTuple):
    """A command that is not imported yet."""

    module: str
    name: str
    """of the command in the module"""
    summary: str
    """its line in the list of commands: the first sentence of its help, as a test checks"""


class LazyGroup(click.Group):
    """`entries` are its commands, in the order of the help; `aliases` are other words for them, hidden from it."""

    def __init__(
        self, *args: Any, entries: Mapping[str, Entry], aliases: Mapping[str, str] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.entries = entries
        self.aliases = aliases or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of its commands."""
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name or alias, imported now."""
        entry = self.entries.get(self.aliases.get(cmd_name, cmd_name))
        if entry is None:
            return None
        command: click.Command = getattr(import_module(entry.module), entry.name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first of `args` names. Raises NoSuchCommand with the nearest names."""
        name = self.aliases.get(args[0], args[0])
        command = self.get_command(ctx, name)
        if command is None and not ctx.resilient_parsing:
            raise click.exceptions.NoSuchCommand(name, possibilities=self.list_commands(ctx), ctx=ctx)
        return name if command else None, command, args[1:]

    def summaries(self) -> list[tuple[str, str]]:
        """Its commands and what each does, in the order of the help."""
        return [(name, entry.summary) for name, entry in self.entries.items()]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the list of commands, importing none of them."""
        with formatter.section("Commands"):
            formatter.write_dl(self.summaries())
