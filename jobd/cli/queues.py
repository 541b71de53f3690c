"""`jobd queues …`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from jobd.cli.noun_group import NounGroup
from jobd.cli.options import QueueName, Until, asks_store, prints
from jobd.cli.place import Place
from jobd.cli.queue_options import QUEUE_OPTIONS
from jobd.cli.queue_verbs import QUEUE_VERBS
from jobd.cli.screen import STATUS_COLOURS, Screen
from jobd.cli.table import Cell, Column
from jobd.domain.rendering import list_to_json, pause_to_json, queue_to_json, time_to_json
from jobd.domain.state import State

if TYPE_CHECKING:
    from jobd.client import Client
    from jobd.domain.queue import Pause, Queue

_SHOWN = (
    State.WAITING,
    State.DELAYED,
    State.BLOCKED,
    State.ACTIVE,
    State.COMPLETED,
    State.FAILED,
    State.CANCELLED,
)


@click.group(
    cls=NounGroup,
    epilog="""\b
Examples:
  jobd queues
  jobd queues list -o json""",
)
def queues() -> None:
    """See how many jobs each queue has, and what it says of them; pause and clean queues.

    Without a command it lists them.
    """


@queues.command(
    "list",
    epilog="""\b
Examples:
  jobd queues list
  jobd queues list -o json""",
)
@prints
@asks_store
def list_queues(place: Place, screen: Screen) -> None:
    """List the queues, with how many of their jobs are in each state."""

    async def conversation(client: Client) -> tuple[dict[str, Queue], dict[str, str]]:
        found = await client.queues()
        return found, await client.queue_hints(found.values())

    found, hints = place.ask(conversation)
    if screen.is_json:
        return screen.json(list_to_json([queue_to_json(queue, hints.get(name)) for name, queue in found.items()]))
    counts = [Column(state.value.upper(), right=True) for state in _SHOWN]
    columns = [Column("QUEUE"), *counts, Column("PAUSED", below=2), Column("HINT", below=4)]
    rows = [
        [
            Cell(queue.name),
            *(Cell(str(queue[state]), colour=_colour(state, queue[state])) for state in _SHOWN),
            _paused(queue),
            Cell(hints.get(queue.name, ""), colour="yellow"),
        ]
        for queue in found.values()
    ]
    return screen.rows(columns, rows, none="there are no queues yet; the first job makes one")


@queues.command(
    "pause",
    epilog="""\b
Examples:
  jobd queues pause email-notifications --reason "provider is down" --until 30m
  jobd queues pause email-notifications --group tenant-42
  jobd queues pause --type send-email --by ada""",
)
@click.argument("names", metavar="[QUEUE]...", nargs=-1, type=QueueName())
@click.option("--group", metavar="NAME", help="Of these queues, this group alone.")
@click.option("--type", "job_type", metavar="NAME", help="This job type, in all queues.")
@click.option("--reason", metavar="TEXT", help="Why; shown to whoever looks.")
@click.option("--by", metavar="NAME", help="Who does it; shown to whoever looks.")
@click.option("--until", metavar="TIME|DURATION", type=Until(), help="When it ends by itself: 30m, or a time.")
@prints
@asks_store
def pause(
    place: Place,
    screen: Screen,
    names: tuple[str, ...],
    group: str | None,
    job_type: str | None,
    reason: str | None,
    by: str | None,
    until: Any,
) -> None:
    """Pause queues, a group in them, or a job type.

    No more of their jobs are started; those that run go on, and more may be enqueued.
    """
    which = _which(names, group, job_type)

    async def conversation(client: Client) -> list[Pause]:
        return [await client.pause(**one, reason=reason, by=by, until=until) for one in which]

    pauses = place.ask(conversation)
    if screen.is_json:
        return screen.json(list_to_json([pause_to_json(pause) for pause in pauses]))
    return screen.rows(_PAUSES, [_pause_row(pause) for pause in pauses], none="")


@queues.command(
    "resume",
    epilog="""\b
Examples:
  jobd queues resume email-notifications
  jobd queues resume --type send-email""",
)
@click.argument("names", metavar="[QUEUE]...", nargs=-1, type=QueueName())
@click.option("--group", metavar="NAME", help="Of these queues, this group alone.")
@click.option("--type", "job_type", metavar="NAME", help="This job type, in all queues.")
@prints
@asks_store
def resume(place: Place, screen: Screen, names: tuple[str, ...], group: str | None, job_type: str | None) -> None:
    """End the pause of queues, of a group in them, or of a job type; fine if there is none."""
    which = _which(names, group, job_type)

    async def conversation(client: Client) -> None:
        for one in which:
            await client.resume(**one)

    place.ask(conversation)
    for one in which:
        screen.note(
            " of ".join(f"{kind} {name}" for kind, name in reversed(one.items()) if name) + " is not paused now"
        )


@queues.command(
    "pauses",
    epilog="""\b
Examples:
  jobd queues pauses
  jobd queues pauses -o json""",
)
@prints
@asks_store
def pauses(place: Place, screen: Screen) -> None:
    """List all that is paused: queues, groups, types."""
    found = place.ask(lambda client: client.pauses())
    if screen.is_json:
        return screen.json(list_to_json([pause_to_json(pause) for pause in found]))
    return screen.rows(_PAUSES, [_pause_row(pause) for pause in found], none="nothing is paused")


def _which(names: tuple[str, ...], group: str | None, job_type: str | None) -> list[dict[str, str | None]]:
    if job_type is not None:
        if names or group is not None:
            raise click.UsageError("--type pauses a type in all queues; name queues, or a type")
        return [{"type": job_type}]
    if not names:
        raise click.UsageError("name a queue, or a type with --type")
    return [{"queue": name, "group": group} for name in names]


_PAUSES = (Column("PAUSED"), Column("BY"), Column("UNTIL"), Column("REASON", below=3))


def _pause_row(pause: Pause) -> list[Cell]:
    return [Cell(pause.what), Cell(pause.by or "-"), Cell(time_to_json(pause.until) or "-"), Cell(pause.reason or "-")]


def _paused(queue: Queue) -> Cell:
    """Why, by whom and until when, and how many groups are."""
    words = []
    if queue.paused:
        said = [queue.paused.reason or "yes"]
        said += [f"by {queue.paused.by}"] if queue.paused.by else []
        said += [f"until {time_to_json(queue.paused.until)}"] if queue.paused.until else []
        words.append(", ".join(said))
    if queue.paused_groups:
        count = len(queue.paused_groups)
        words.append("1 group" if count == 1 else f"{count} groups")
    return Cell("; ".join(words), colour="red")


def _colour(state: State, count: int) -> str | None:
    return STATUS_COLOURS[state] if count else "dim"


for _name, _command in {**QUEUE_OPTIONS, **QUEUE_VERBS}.items():
    queues.add_command(_command, _name)
