"""A group named by a noun, whose first command is to list the things of that name."""

from __future__ import annotations

import click


class NounGroup(click.Group):
    """`jobd queues` and `jobd queues -o json` are `jobd queues list`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts `list` where no command is named."""
        names_one = args and (not args[0].startswith("-") or args[0] in ctx.help_option_names)
        if not names_one and not ctx.resilient_parsing:
            args = ["list", *args]
        return super().parse_args(ctx, args)
