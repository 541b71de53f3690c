"""`jobd shards …`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from jobd.cli.consent import Consent, asks_first
from jobd.cli.noun_group import NounGroup
from jobd.cli.options import Whole, asks_store, prints
from jobd.cli.place import Place
from jobd.cli.screen import Screen
from jobd.cli.table import Cell, Column
from jobd.domain.rendering import shards_to_json
from jobd.domain.shard_facts import MOST_SHARDS

if TYPE_CHECKING:
    from jobd.client import Client
    from jobd.domain.shard_facts import ShardFacts

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
    _show(screen, *place.ask(_look))


@shards.command(
    "grow",
    epilog="""\b
Examples:
  jobd shards grow 8
  jobd shards grow 24 --dry-run
  jobd shards grow 24 --yes -o json""",
)
@click.argument("number", metavar="NUMBER", type=Whole(1, MOST_SHARDS))
@click.option("--dry-run", is_flag=True, help="Only say whether it can.")
@asks_first
@prints
@asks_store
def grow(place: Place, screen: Screen, consent: Consent, number: int, dry_run: bool) -> None:
    """Let the store have NUMBER shards, while it is used; it never has fewer again.

    Queues that have been used stay where they are. New queues, and jobs without a key in queues that are spread, use
    the new shards too. Running processes find them within seconds. If it breaks off, say it again.
    """
    before = place.ask(lambda client: client.check_growth(number))
    if dry_run:
        if screen.is_json:
            return screen.json({"dry_run": True, "shards": before, "after": number})
        return screen.line(f"{_counted(before)} would become {number}; nothing was done")
    if number == before:
        screen.note(f"it has {_counted(before)} already")
    else:
        consent.ask(f"{_counted(before)} will become {number}, which cannot be undone: a store never has fewer again")

    async def conversation(client: Client) -> tuple[list[ShardFacts], list[str]]:
        await client.grow(number)
        return await _look(client)

    return _show(screen, *place.ask(conversation))


async def _look(client: Client) -> tuple[list[ShardFacts], list[str]]:
    return await client.shards(), await client.spread_queues()


def _counted(number: int) -> str:
    return "1 shard" if number == 1 else f"{number} shards"


def _show(screen: Screen, found: Sequence[ShardFacts], spread: Sequence[str]) -> None:
    if screen.is_json:
        return screen.json(shards_to_json(found, spread))
    screen.rows(_COLUMNS, [_row(shard) for shard in found], none="")
    if spread:
        screen.note(f"spread over all of them: {', '.join(spread)}")
    return None


def _row(shard: ShardFacts) -> list[Cell]:
    return [Cell(str(shard.number)), Cell(shard.node), Cell(f"{shard.jobs:,}"), Cell(str(shard.workers))]
