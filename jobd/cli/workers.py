"""`jobd workers …`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from jobd.cli.noun_group import NounGroup
from jobd.cli.options import asks_store, prints
from jobd.cli.place import Place
from jobd.cli.screen import Screen
from jobd.cli.table import Cell, Column
from jobd.control.workers import QUIET, RESTART, STOP, member_to_json
from jobd.domain.rendering import list_to_json

if TYPE_CHECKING:
    from jobd.client import Client
    from jobd.store.member import Member

_COLUMNS = (
    Column("ID"),
    Column("HOST", spare=1),
    Column("PID", right=True, spare=2),
    Column("QUEUES", least=8),
    Column("JOBS", right=True),
    Column("SINCE"),
    Column("STATE"),
)


@click.group(
    cls=NounGroup,
    epilog="""\b
Examples:
  jobd workers
  jobd workers restart --all
  jobd workers list -o json""",
)
def workers() -> None:
    """See the worker processes, and tell them what to do.

    Without a command it lists them.
    """


@workers.command(
    "list",
    epilog="""\b
Examples:
  jobd workers list
  jobd workers list -o json""",
)
@prints
@asks_store
def list_workers(place: Place, screen: Screen) -> None:
    """List the worker processes: where they run, what they serve, how much they have in hand."""
    members = place.ask(lambda client: client.workers())
    if screen.is_json:
        return screen.json(list_to_json([member_to_json(member) for member in members]))
    return screen.rows(_COLUMNS, [_row(screen, member) for member in members], none="no worker runs; start `jobd run`")


def _order(what: str, about: str) -> click.Command:
    """The command that asks worker processes for `what`."""

    @click.command(
        what,
        help=about,
        epilog=f"""\b
Examples:
  jobd workers {what} worker-host-4711-k3f9ab
  jobd workers {what} --all""",
    )
    @click.argument("ids", metavar="[ID]...", nargs=-1)
    @click.option("--all", "everyone", is_flag=True, help="All that run.")
    @prints
    @asks_store
    def command(place: Place, screen: Screen, ids: tuple[str, ...], everyone: bool) -> None:
        if bool(ids) is everyone:
            raise click.UsageError("name the workers, or say --all")

        async def ask(client: Client) -> list[str]:
            asked = [member.id for member in await client.workers() if member.alive] if everyone else list(ids)
            for worker_id in asked:
                await client.order_worker(worker_id, what)
            return asked

        asked = place.ask(ask)
        if screen.is_json:
            return screen.json({"asked": what, "workers": asked})
        return screen.rows(
            (Column("ID"), Column("ASKED")), [[Cell(each), Cell(what)] for each in asked], none="no worker runs"
        )

    return command


_ORDERS = {
    QUIET: "Have worker processes take no more jobs; those that run go on.",
    STOP: "Have worker processes end: their jobs get the grace, and nobody takes their places.",
    RESTART: "Put new worker processes in place of others, which end when the new ones take jobs.",
}
for _what, _about in _ORDERS.items():
    workers.add_command(_order(_what, _about))


def _row(screen: Screen, member: Member) -> list[Cell]:
    room = member.about.get("concurrency")
    return [
        Cell(member.id),
        Cell(str(member.about.get("host", "-"))),
        Cell(str(member.about.get("pid", "-"))),
        Cell(" ".join(member.lines)),
        Cell(f"{member.holds}/{room}" if room else str(member.holds)),
        screen.since(member.joined_at_ms),
        _state(member),
    ]


def _state(member: Member) -> Cell:
    if not member.alive:
        return Cell("lost", colour="red")
    words = ["leaving"] if member.about.get("leaving") else ["quiet"] if member.about.get("quiet") else []
    if stuck := member.about.get("stuck"):
        words.append(f"{stuck} stuck")
    return Cell(", ".join(words), colour="yellow") if words else Cell("alive", colour="green")
