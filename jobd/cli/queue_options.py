"""`jobd queues options`, `set`, `unset`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from jobd.cli.job_options import options_at
from jobd.cli.options import QueueName, asks_store, prints
from jobd.cli.place import Place
from jobd.cli.screen import Screen
from jobd.cli.table import Cell, Column
from jobd.domain.options import Level, Options
from jobd.domain.queue_options import ALL, changes_of, taken_back
from jobd.domain.rendering import queue_options_to_json

if TYPE_CHECKING:
    from jobd.domain.queue_options import QueueOptions

_QUEUE = click.argument("queue", metavar="QUEUE", type=QueueName())
_COLUMNS = (Column("OPTION"), Column("VALUE", below=2), Column("FROM"))


@click.command(
    epilog="""\b
Examples:
  jobd queues options email-notifications
  jobd queues options email-notifications -o json"""
)
@_QUEUE
@prints
@asks_store
def options(place: Place, screen: Screen, queue: str) -> None:
    """Show what holds for jobs of a queue where neither they nor their types say anything."""
    _show(screen, place.ask(lambda client: client.queue_options(queue)))


@click.command(
    "set",
    epilog="""\b
Examples:
  jobd queues set email-notifications --retries 6 --backoff linear
  jobd queues set reports --timeout 10m --priority low""",
)
@_QUEUE
@options_at(Level.QUEUE)
@prints
@asks_store
def set_(place: Place, screen: Screen, queue: str, options: Options) -> None:
    """Say options for the jobs of a queue, at once and for all processes.

    They hold for jobs that are enqueued from now on, where neither these nor their types say anything, and win over the
    configuration, until they are taken back. What limits the queue itself is set with `jobd limits set`.
    """
    changes = changes_of(options, set())
    if not changes:
        raise click.UsageError("say an option, such as --retries 6")
    _show(screen, place.ask(lambda client: client.change_queue_options(queue, changes)))


@click.command(
    epilog="""\b
Examples:
  jobd queues unset email-notifications backoff
  jobd queues unset reports"""
)
@_QUEUE
@click.argument("names", metavar="[OPTION]...", nargs=-1)
@prints
@asks_store
def unset(place: Place, screen: Screen, queue: str, names: tuple[str, ...]) -> None:
    """Take back options that were set for a queue, all of them if none is named.

    What the configuration says holds again.
    """
    changes = dict.fromkeys([taken_back(name.replace("-", "_")) for name in names] or ALL)
    _show(screen, place.ask(lambda client: client.change_queue_options(queue, changes)))


def _show(screen: Screen, said: QueueOptions) -> None:
    told = queue_options_to_json(said)
    if screen.is_json:
        return screen.json(told)
    rows = [
        [Cell(name.removesuffix("_ms")), Cell(_spoken(name, value)), Cell("run time" if name in told["set"] else "-")]
        for name, value in told["options"].items()
    ]
    return screen.rows(_COLUMNS, rows, none="")


def _spoken(name: str, value: Any) -> str:
    from jobd.domain.duration import spoken

    if name.endswith("_ms"):
        return spoken(value) if value else "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


QUEUE_OPTIONS: Mapping[str, click.Command] = {"options": options, "set": set_, "unset": unset}
"""the commands, by name"""
