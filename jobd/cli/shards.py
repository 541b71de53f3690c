"""`jobd shards …`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from jobd.cli.noun_group import NounGroup
from jobd.cli.options import asks_store, prints
from jobd.cli.place import Place
from jobd.cli.screen import Screen
from jobd.cli.table import Cell, Column
from jobd.domain.rendering import list_to_json

if TYPE_CHECKING:
    from jobd.control.shards import ShardFacts

_COLUMNS = (
    Column("SHARD", right=True),
    Column("NODE", least=12),
    Column("JOBS", right=True),
    Column("WORKERS", right=True),
)


@click.group(
    cls=NounGroup,
    epilog="""\b
Examples:
  jobd shards
  jobd shards grow 8""",
)
def shards() -> None:
    """See the shards of the store, and let it have more.

    Without a command it lists them.
    """


@shards.command(
    "list",
    epilog="""\b
Examples:
  jobd shards list
  jobd shards list -o json""",
)
@prints
@asks_store
def list_shards(place: Place, screen: Screen) -> None:
    """List the shards: on which node each is, how many jobs it has, how many worker processes serve it."""
    _show(screen, place.ask(lambda client: client.shards()))


@shards.command(
    "grow",
    epilog="""\b
Examples:
  jobd shards grow 8
  jobd shards grow 24 -o json""",
)
@click.argument("number", metavar="NUMBER", type=int)
@prints
@asks_store
def grow(place: Place, screen: Screen, number: int) -> None:
    """Let the store have NUMBER shards, while it is used; it never has fewer again.

    Queues that have been used stay where they are. New queues, and jobs without a key in queues that are spread, use
    the new shards too. Running processes find them within seconds. If it breaks off, say it again.
    """
    _show(screen, place.ask(lambda client: client.grow(number)))


def _show(screen: Screen, found: list[ShardFacts]) -> None:
    if screen.is_json:
        return screen.json(list_to_json([asdict(shard) for shard in found]))
    return screen.rows(_COLUMNS, [_row(shard) for shard in found], none="")


def _row(shard: ShardFacts) -> list[Cell]:
    return [Cell(str(shard.number)), Cell(shard.node), Cell(f"{shard.jobs:,}"), Cell(str(shard.workers))]
