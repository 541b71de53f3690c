"""`jobd limits …`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from jobd.cli.noun_group import NounGroup
from jobd.cli.options import Field, asks_store, prints
from jobd.cli.place import Place
from jobd.cli.screen import Screen
from jobd.cli.table import Cell, Column
from jobd.control.limits import from_texts, which
from jobd.domain.limits import LIMITS, read_limits
from jobd.domain.rendering import limits_to_json, list_to_json

if TYPE_CHECKING:
    from jobd.domain.limits import Limits

_COLUMNS = (Column("WHAT"), Column("NAME", least=12), Column("LIMITS", below=2), Column("FROM"))
_KNOWN = "\n".join(f"  {name:18} {limit.about}" for name, limit in LIMITS.items())


def of_what(function: Callable[..., None]) -> Callable[..., None]:
    """Adds the options that name what is limited."""
    for flag, name, help_ in (
        ("--rate-key", "rate_key", "This rate key."),
        ("--key", "key", "This concurrency key."),
        ("--type", "type", "This job type, in all queues."),
        ("--group", "group", "Of this queue, this group alone."),
        ("--queue", "queue", "This queue."),
    ):
        function = click.option(flag, name, metavar="NAME", help=help_)(function)
    return function


@click.group(
    cls=NounGroup,
    epilog="""\b
Examples:
  jobd limits
  jobd limits set --queue ai-processing concurrency=4""",
)
def limits() -> None:
    """See and change what limits queues, groups, types and keys.

    Without a command it lists them.
    """


@limits.command(
    "list",
    epilog="""\b
Examples:
  jobd limits list
  jobd limits list -o json""",
)
@prints
@asks_store
def list_limits(place: Place, screen: Screen) -> None:
    """List the limits, from the configuration and set at run time."""
    _show(screen, place.ask(lambda client: client.limits()), none="nothing is limited")


@limits.command(
    "set",
    epilog=f"""\b
Limits:
{_KNOWN}

\b
Examples:
  jobd limits set --queue ai-processing concurrency=4 rate=100/1m
  jobd limits set --queue exports group_concurrency=2 ageing=10m
  jobd limits set --queue exports --group tenant-42 weight=3
  jobd limits set --type send-email rate=10/1s/20""",
)
@click.argument("said", metavar="LIMIT=VALUE...", nargs=-1, required=True, type=Field())
@of_what
@prints
@asks_store
def set_limits(place: Place, screen: Screen, said: tuple[tuple[str, Any], ...], **targets: str | None) -> None:
    """Limit a queue, a group, a type or a key, at once and for all workers.

    What runs goes on. It wins over the configuration, until it is taken back.
    """
    _change(place, screen, dict(said), targets)


@limits.command(
    "unset",
    epilog="""\b
Examples:
  jobd limits unset --queue ai-processing concurrency
  jobd limits unset --type send-email""",
)
@click.argument("names", metavar="[LIMIT]...", nargs=-1)
@of_what
@prints
@asks_store
def unset_limits(place: Place, screen: Screen, names: tuple[str, ...], **targets: str | None) -> None:
    """Take limits back that were set, all of them if none is named.

    What the configuration says holds again, or what the jobs say themselves.
    """
    scope, _ = which(**targets)
    usual = [name for name, limit in LIMITS.items() if scope in limit.scopes]
    _change(place, screen, dict.fromkeys(names or usual), targets)


def _change(place: Place, screen: Screen, said: dict[str, Any], targets: dict[str, str | None]) -> None:
    scope, names = which(**targets)
    changes = read_limits(scope, said, from_texts)
    changed = place.ask(lambda client: client.change_limits(scope, names, changes))
    _show(screen, [changed], none="")


def _show(screen: Screen, found: list[Limits], *, none: str) -> None:
    if screen.is_json:
        return screen.json(list_to_json([limits_to_json(limits) for limits in found]))
    return screen.rows(_COLUMNS, [_row(limits) for limits in found], none=none)


def _row(limits: Limits) -> list[Cell]:
    words = [f"{name.removesuffix('_ms')}={_spoken(name, value)}" for name, value in limits.holds.items()]
    origins = ["run time"] if limits.set else []
    if limits.holds.keys() - limits.set.keys():
        origins.append("configuration")
    return [
        Cell(limits.scope),
        Cell(" ".join(limits.names)),
        Cell(" ".join(words) or "none"),
        Cell(", ".join(origins) or "-"),
    ]


def _spoken(name: str, value: Any) -> str:
    from jobd.domain.duration import spoken
    from jobd.domain.rate import Rate

    if isinstance(value, dict):
        return str(Rate.parse(value))
    return spoken(value) if name.endswith("_ms") else str(value)
