"""A group named by a noun, whose first command is to list the things of that name."""

from __future__ import annotations

from typing import Final

import click

_WHOLE: Final = 1_000
"""letters; no first sentence has so many"""


class NounGroup(click.Group):
    """`jobd queues` and `jobd queues -o json` are `jobd queues list`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts `list` where no command is named."""
        names_one = args and (not args[0].startswith("-") or args[0] in ctx.help_option_names)
        if not names_one and not ctx.resilient_parsing:
            args = ["list", *args]
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the list of commands, each with the whole first sentence of its help."""
        with formatter.section("Commands"):
            commands = sorted(self.commands.items())
            formatter.write_dl([(name, command.get_short_help_str(limit=_WHOLE)) for name, command in commands])
