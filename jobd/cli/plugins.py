"""`jobd plugins …`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from jobd.cli import plugin_commands
from jobd.cli.noun_group import NounGroup
from jobd.cli.options import asks_store, prints
from jobd.cli.place import Place
from jobd.cli.screen import Screen
from jobd.cli.table import Cell, Column
from jobd.domain.rendering import list_to_json
from jobd.errors import PluginError

if TYPE_CHECKING:
    from jobd.catalog import Plugin

_COLUMNS = (
    Column("NAME"),
    Column("PACKAGE"),
    Column("VERSION"),
    Column("STATE"),
    Column("JOB TYPES", below=100),
    Column("HOOKS", spare=1, below=100),
    Column("COMMANDS", below=100),
    Column("ERROR", below=100),
)


@dataclass(slots=True, kw_only=True)
class _Row:
    """A plugin, or a package that brings only commands."""

    name: str
    package: str
    version: str
    active: bool = True
    job_types: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()
    commands: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@click.group(
    cls=NounGroup,
    epilog="""\b
Examples:
  jobd plugins
  jobd plugins list -o json""",
)
def plugins() -> None:
    """See the installed plugins.

    Without a command it lists them.
    """


@plugins.command(
    "list",
    epilog="""\b
Examples:
  jobd plugins list
  jobd plugins list -o json""",
)
@prints
@asks_store
def list_plugins(place: Place, screen: Screen) -> None:
    """List the installed plugins and what they offer.

    One that cannot be used is listed with the reason; the exit code is 1 then.
    """
    from jobd.catalog import Catalog

    rows = _with_commands(map(_row, Catalog.survey(without=place.settings().without)))
    if screen.is_json:
        screen.json(list_to_json([_json(row) for row in rows]))
    else:
        screen.rows(_COLUMNS, [_cells(row) for row in rows], none="no plugin is installed")
    if any(row.errors for row in rows):
        raise click.exceptions.Exit(1)


def _row(plugin: Plugin) -> _Row:
    return _Row(
        name=plugin.name,
        package=plugin.package,
        version=plugin.version,
        active=plugin.active,
        job_types=plugin.job_types,
        hooks=plugin.hooks,
        errors=[plugin.error] if plugin.error else [],
    )


def _with_commands(rows: Iterable[_Row]) -> list[_Row]:
    listed = list(rows)
    for name, entry in plugin_commands.installed().items():
        package = plugin_commands.package_of(entry)
        row = next((row for row in listed if row.package == package), None)
        if row is None:
            row = _Row(name=name, package=package, version=entry.dist.version if entry.dist else "?")
            listed.append(row)
        row.commands.append(name)
        try:
            plugin_commands.load(entry)
        except PluginError as error:
            row.errors.append(str(error))
    return listed


def _state(row: _Row) -> tuple[str, str]:
    if row.errors:
        return "broken", "red"
    return ("active", "green") if row.active else ("left out", "dim")


def _cells(row: _Row) -> list[Cell]:
    state, colour = _state(row)
    return [
        Cell(row.name),
        Cell(row.package),
        Cell(row.version),
        Cell(state, colour=colour),
        Cell(" ".join(row.job_types)),
        Cell(" ".join(row.hooks)),
        Cell(" ".join(row.commands)),
        Cell("; ".join(row.errors)),
    ]


def _json(row: _Row) -> dict[str, object]:
    return {
        "name": row.name,
        "package": row.package,
        "version": row.version,
        "active": row.active and not row.errors,
        "job_types": row.job_types,
        "hooks": row.hooks,
        "commands": row.commands,
        "errors": row.errors,
    }
