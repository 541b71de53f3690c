"""`jobd operations …`: what is done to many jobs."""

from __future__ import annotations

import click

from jobd.cli.bulk import show_end
from jobd.cli.noun_group import NounGroup
from jobd.cli.options import asks_store, prints
from jobd.cli.place import Place
from jobd.cli.screen import Screen
from jobd.cli.table import Cell, Column
from jobd.domain.operation import Operation, Stage
from jobd.domain.rendering import list_to_json, operation_to_json

_COLUMNS = (
    Column("ID"),
    Column("ACTION"),
    Column("STATUS"),
    Column("DONE", right=True),
    Column("SKIPPED", right=True),
    Column("FAILED", right=True),
    Column("BEGAN"),
)
_COLOURS = {Stage.RUNNING: "cyan", Stage.DONE: "green", Stage.ABORTED: "dim", Stage.FAILED: "red"}


@click.group(
    cls=NounGroup,
    epilog="""\b
Examples:
  jobd operations
  jobd operations show 01KAMWZY9SVJ3Y4S5QKZ8J6T2N""",
)
def operations() -> None:
    """See what is being done to many jobs, and stop it.

    They are begun by `jobd jobs retry`, `cancel`, `delete`, `promote` and `move` with a filter instead of ids, and by
    `jobd queues`. Without a command it lists them.
    """


@operations.command(
    "list",
    epilog="""\b
Examples:
  jobd operations list
  jobd operations list -o json""",
)
@prints
@asks_store
def list_operations(place: Place, screen: Screen) -> None:
    """List the last hundred operations, the newest first."""
    found = place.ask(lambda client: client.operations())
    if screen.is_json:
        return screen.json(list_to_json([operation_to_json(operation) for operation in found]))
    return screen.rows(_COLUMNS, [_row(screen, operation) for operation in found], none="there are no operations yet")


@operations.command(
    "show",
    epilog="""\b
Examples:
  jobd operations show 01KAMWZY9SVJ3Y4S5QKZ8J6T2N
  jobd operations show 01KAMWZY9SVJ3Y4S5QKZ8J6T2N -o json""",
)
@click.argument("operation_id", metavar="ID")
@prints
@asks_store
def show(place: Place, screen: Screen, operation_id: str) -> None:
    """Show how far an operation is, and what could not be done."""
    show_end(screen, place.ask(lambda client: client.operation(operation_id)))


@operations.command(
    "cancel",
    epilog="""\b
Examples:
  jobd operations cancel 01KAMWZY9SVJ3Y4S5QKZ8J6T2N
  jobd operations cancel 01KAMWZY9SVJ3Y4S5QKZ8J6T2N -o json""",
)
@click.argument("operation_id", metavar="ID")
@prints
@asks_store
def cancel(place: Place, screen: Screen, operation_id: str) -> None:
    """Stop an operation; what it has done stays done."""
    operation = place.ask(lambda client: client.abort_operation(operation_id))
    if screen.is_json:
        return screen.json(operation_to_json(operation))
    return screen.rows(_COLUMNS, [_row(screen, operation)], none="")


def _row(screen: Screen, operation: Operation) -> list[Cell]:
    return [
        Cell(operation.id),
        Cell(operation.verb.value),
        Cell(operation.stage.value, colour=_COLOURS[operation.stage]),
        Cell(str(operation.done)),
        Cell(str(operation.skipped)),
        Cell(str(operation.failed)),
        screen.time(operation.began_at),
    ]
