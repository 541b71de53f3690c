"""`jobd unique …`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from jobd.cli.exits import Exit
from jobd.cli.job_data import data_options, read_data
from jobd.cli.job_options import job_options
from jobd.cli.noun_group import NounGroup
from jobd.cli.options import Whole, asks_store, prints
from jobd.cli.place import Place
from jobd.cli.screen import Screen
from jobd.cli.table import Cell, Column
from jobd.domain.rendering import unique_key_to_json

if TYPE_CHECKING:
    from jobd.client import Client
    from jobd.domain.options import Options
    from jobd.domain.unique import UniqueKey

_COLUMNS = (Column("KEY"), Column("OWNER"), Column("SINCE"), Column("UNTIL"), Column("FOLLOWED BY"))


@click.group(
    cls=NounGroup,
    epilog="""\b
Examples:
  jobd unique
  jobd unique owner send-email --unique order-42
  jobd unique free 5lq6sgyqd2xk3mzvjx7hwb4c""",
)
def unique() -> None:
    """See which jobs have unique keys; free one.

    Without a command it lists them.
    """


@unique.command(
    "list",
    epilog="""\b
Examples:
  jobd unique list
  jobd unique list -n 500 -o json""",
)
@click.option("-n", "--limit", default=50, show_default=True, type=Whole(1, 1_000), help="About so many at most.")
@click.option("--cursor", metavar="TEXT", help="Go on where the page before ended.")
@prints
@asks_store
def list_keys(place: Place, screen: Screen, limit: int, cursor: str | None) -> None:
    """List unique keys and the jobs that have them, in no order."""
    page = place.ask(lambda client: client.unique_keys(limit=limit, cursor=cursor))
    if screen.is_json:
        shown = [unique_key_to_json(key) for key in page.keys]
        return screen.json({"data": shown, "page": {"limit": limit, "next_cursor": page.cursor}})
    screen.rows(list(_COLUMNS), [_row(screen, key) for key in page.keys], none="no job has a unique key")
    if page.cursor:
        screen.note(f"there are more: --cursor {page.cursor}")
    return None


@unique.command(
    "show",
    epilog="""\b
Examples:
  jobd unique show 5lq6sgyqd2xk3mzvjx7hwb4c
  jobd unique show 5lq6sgyqd2xk3mzvjx7hwb4c -o json""",
)
@click.argument("key", metavar="KEY")
@prints
@asks_store
def show(place: Place, screen: Screen, key: str) -> None:
    """Show who has a unique key, by its name in a job (`unique_key`) or in the list."""
    found = place.ask(lambda client: client.unique_key(key))
    _show(screen, found)
    if found is None:
        screen.note(f"nobody has the unique key {key}")
        raise click.exceptions.Exit(Exit.NOT_FOUND)


@unique.command(
    "owner",
    epilog="""\b
Examples:
  jobd unique owner send-email --unique order-42
  jobd unique owner rebuild-index customer=7
  jobd unique owner sync-account --queue nightly --unique '{"key": "7", "scope": "type"}'""",
)
@click.argument("job_type", metavar="TYPE")
@data_options
@job_options
@prints
@asks_store
def owner(
    place: Place,
    screen: Screen,
    job_type: str,
    fields: tuple[tuple[str, Any], ...],
    data: str | None,
    options: Options,
) -> None:
    """Show who has the unique key that a job would have.

    It takes what `jobd enqueue` takes, and enqueues nothing. Data is needed only where it makes the key.
    """
    payload = read_data(data, fields)
    found = place.ask(lambda client: client.unique_owner_of(job_type, payload, options))
    _show(screen, found)
    if found is None:
        screen.note("nobody has this unique key")


@unique.command(
    "free",
    epilog="""\b
Examples:
  jobd unique free 5lq6sgyqd2xk3mzvjx7hwb4c
  jobd unique free 5lq6sgyqd2xk3mzvjx7hwb4c --owner 01M80W84T400M1JK4K4V8NJM3Q""",
)
@click.argument("key", metavar="KEY")
@click.option("--owner", "owner_id", metavar="ID", help="Only if this job has it.")
@prints
@asks_store
def free(place: Place, screen: Screen, key: str, owner_id: str | None) -> None:
    """Free a unique key, so that another job may be enqueued.

    The job that has it goes on without it. One that waited for the end of that waits no longer.
    """

    async def conversation(client: Client) -> UniqueKey | None:
        return await client.free_unique_key(key, owner=owner_id)

    had = place.ask(conversation)
    if screen.is_json:
        return screen.json(unique_key_to_json(had) if had else None)
    return screen.line(f"it is free; job {had.owner} had it" if had else "it was free already")


def _show(screen: Screen, key: UniqueKey | None) -> None:
    if screen.is_json:
        return screen.json(unique_key_to_json(key) if key else None)
    return screen.rows(list(_COLUMNS), [_row(screen, key)], none="") if key else None


def _row(screen: Screen, key: UniqueKey) -> list[Cell]:
    return [
        Cell(key.name),
        Cell(key.owner),
        screen.time(key.since),
        screen.time(key.until),
        Cell(key.follower or "-", key.follower or ""),
    ]
