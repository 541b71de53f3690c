"""Commands that plugins add by entry points in the group `jobd.commands`: loaded when they are used, not before."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points

import click

from jobd.errors import PluginError

GROUP = "jobd.commands"


def installed() -> Mapping[str, EntryPoint]:
    """The commands of all installed packages, by name."""
    return {entry.name: entry for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name)}


def package_of(entry: EntryPoint) -> str:
    """The package that brought it."""
    return entry.dist.name if entry.dist else "?"


def load(entry: EntryPoint) -> click.Command:
    """The command itself. Raises PluginError naming the package and the cure."""
    where = f"the command {entry.name!r} of {package_of(entry)}"
    try:
        command = entry.load()
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"{where} cannot be loaded: {type(error).__name__}: {error}; repair or uninstall that package"
        ) from error
    if not isinstance(command, click.Command):
        raise PluginError(f"{where} is {command!r}; its entry point must name a click command")
    return command
