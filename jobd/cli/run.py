"""`jobd run`."""

from __future__ import annotations

from typing import Any

import click

from jobd.cli.options import Processes, WeightedQueueName, Whole, asks_store
from jobd.cli.place import Place
from jobd.domain.queue_order import Order

ROLES = ("api", "scheduler", "worker", "monitor")


@click.command(
    epilog="""\b
Examples:
  jobd run
  jobd run --role worker --queue email-notifications --concurrency 20
  jobd run --role worker --queue critical=6 --queue default=3 --queue-order weighted
  jobd --role api --port 8080 --redis-url redis://localhost:6379/0

Ctrl-C lets running jobs end; a second one hurries. `jobd --role ...` is the same as `jobd run --role ...`."""
)
@click.option(
    "--role", "roles", multiple=True, type=click.Choice(ROLES), help="A role to run; may be repeated. None: all."
)
@click.option(
    "--queue",
    "queues",
    metavar="NAME[=WEIGHT]",
    multiple=True,
    type=WeightedQueueName(),
    help="A queue to serve; may be repeated.",
)
@click.option(
    "--queue-order",
    type=click.Choice([order.value for order in Order]),
    help="How the queues that are named follow each other.",
)
@click.option("--concurrency", metavar="N", type=Whole(1, 10_000), help="Jobs at a time in one process.")
@click.option(
    "--processes", type=Processes(), help="Worker processes; 0: none beside this one; auto: one for each core."
)
@click.option("--host", metavar="ADDRESS", help="The address that the API listens on.")
@click.option("--port", metavar="N", type=Whole(0, 65_535), help="The port that it listens on; 0: any free one.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="The least to be logged.")
@click.option("--log-format", type=click.Choice(["auto", "text", "json"]), help="auto: text on a terminal, else JSON.")
@asks_store
def run(
    place: Place,
    roles: tuple[str, ...],
    queues: tuple[str, ...],
    queue_order: str | None,
    concurrency: int | None,
    processes: int | str | None,
    host: str | None,
    port: int | None,
    log_level: str | None,
    log_format: str | None,
) -> None:
    """Run jobs: all of jobd, or some roles of it.

    Without --role it is all in one: the API, the scheduler, the monitor and a worker. Without a Redis it starts one of
    its own and keeps the data in the data directory. `jobd help environment` lists the settings.
    """
    flags = {
        "host": host,
        "port": port,
        "worker": _given(queues=queues or None, queue_order=queue_order, concurrency=concurrency, processes=processes),
        "log": _given(level=log_level, format=log_format),
    }
    settings = place.settings(_given(**flags))
    from jobd import app

    raise click.exceptions.Exit(app.run(settings, tuple(role for role in ROLES if role in roles)))


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
