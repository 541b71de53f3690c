"""A group named by a noun, whose first command is to list the things of that name."""

from __future__ import annotations

import click


class NounGroup(click.Group):
    """`jobd queues` and `jobd queues -o json` are `jobd queues list`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts `list` where no command is named."""
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)
