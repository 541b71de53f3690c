"""`jobd queues …`."""

from __future__ import annotations

import click

from jobd.cli.noun_group import NounGroup
from jobd.cli.options import asks_store, prints
from jobd.cli.place import Place
from jobd.cli.screen import STATUS_COLOURS, Screen
from jobd.cli.table import Cell, Column
from jobd.domain.rendering import list_to_json, queue_to_json
from jobd.domain.state import State

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
    """See how many jobs each queue has.

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
    counts = place.ask(lambda client: client.queues())
    if screen.is_json:
        return screen.json(list_to_json([queue_to_json(name, states) for name, states in counts.items()]))
    columns = [Column("QUEUE"), *(Column(state.value.upper(), right=True) for state in _SHOWN)]
    rows = [
        [Cell(name), *(Cell(str(states[state]), colour=_colour(state, states[state])) for state in _SHOWN)]
        for name, states in counts.items()
    ]
    return screen.rows(columns, rows, none="there are no queues yet; the first job makes one")


def _colour(state: State, count: int) -> str | None:
    return STATUS_COLOURS[state] if count else "dim"
