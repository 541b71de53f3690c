"""`jobd jobs edit`, `edit-all`, `promote`, `reschedule`, `move`, `duplicate`, `delete`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from jobd.cli.bulk import Chosen, act_on_all, for_many
from jobd.cli.job_data import data_fields, data_options, read_data
from jobd.cli.job_options import change_options, job_options
from jobd.cli.job_rows import for_each
from jobd.cli.job_where import Where, together
from jobd.cli.options import QueueName, Until, Whole, asks_store, prints
from jobd.cli.place import Place
from jobd.cli.screen import Screen
from jobd.control.jobs import KEEP
from jobd.domain.options import Options

if TYPE_CHECKING:
    from jobd.client import Client
    from jobd.domain.job import Job

_ID = click.argument("job_id", metavar="ID")


@click.command(
    epilog="""\b
Examples:
  jobd jobs edit 01KAMWZY9SVJ3Y4S5QKZ8J6T2N --priority high --retries 10
  jobd jobs edit order-1234 to=ada@example.org --data @letter.json"""
)
@_ID
@data_options
@change_options
@prints
@asks_store
def edit(
    place: Place, screen: Screen, job_id: str, fields: tuple[tuple[str, Any], ...], data: str | None, options: Options
) -> None:
    """Change a job that has not started.

    What is not named stays as it is. Fields of the data, `key=text` or `key:=json`, change those alone; --data gives
    all of it.
    """

    if options.queue is not None:
        raise click.UsageError(
            "a job does not change its queue; `jobd jobs move ID --to QUEUE` makes another of it there"
        )

    async def change(client: Client, job_id: str) -> Job:
        payload = await _changed(client, job_id, data, fields)
        return await client.change_to(job_id, options, payload)

    for_each(place, screen, [job_id], change)


@click.command(
    epilog="""\b
Examples:
  jobd jobs edit-all --where queue=letters --priority low --dry-run
  jobd jobs edit-all --where type=send-email --where metadata.tenant:=42 --delay 1h host=backup"""
)
@data_fields
@click.option(
    "--where",
    "which",
    metavar="FIELD=VALUE",
    multiple=True,
    type=Where(),
    help="Of this queue, type, status, tag, date or metadata.NAME; may be repeated.",
)
@click.option("--all", "everything", is_flag=True, help="Meant are all jobs that have not started.")
@click.option("--most", metavar="N", type=Whole(1, 2**53), help="At most so many.")
@click.option("--dry-run", is_flag=True, help="Only say how many there are, and show the first ten.")
@change_options
@prints
@asks_store
def edit_all(
    place: Place,
    screen: Screen,
    fields: tuple[tuple[str, Any], ...],
    which: tuple[tuple[str, Any], ...],
    everything: bool,
    most: int | None,
    dry_run: bool,
    options: Options,
) -> None:
    """Change all jobs that fit and have not started.

    What is not named stays as it is. Fields of the data, `key=text` or `key:=json`, change those alone.
    """
    if options.queue is not None:
        raise click.UsageError("say which jobs by --where queue=…; to another queue they go by `jobd jobs move`")
    if bool(which) == everything:
        raise click.UsageError("say which jobs by --where queue=…, or that all are meant by --all")
    act_on_all(place, screen, "change", together(which), dry_run=dry_run, most=most, changes=options, data=dict(fields))


@click.command(
    epilog="""\b
Examples:
  jobd jobs promote 01KAMWZY9SVJ3Y4S5QKZ8J6T2N
  jobd jobs list --status delayed | cut -f1 | jobd jobs promote -"""
)
@for_many
@prints
@asks_store
def promote(
    place: Place,
    screen: Screen,
    chosen: Chosen,
) -> None:
    """Run delayed jobs now.

    An ID of - reads ids from standard input. Without ids, it is done to all that fit.
    """
    chosen.act(place, screen, "promote", lambda client, job_id: client.promote(job_id))


@click.command(
    epilog="""\b
Examples:
  jobd jobs reschedule 01KAMWZY9SVJ3Y4S5QKZ8J6T2N 2h
  jobd jobs reschedule order-1234 2026-01-31T08:00:00Z"""
)
@_ID
@click.argument("when", metavar="TIME|DURATION", type=Until())
@prints
@asks_store
def reschedule(place: Place, screen: Screen, job_id: str, when: datetime | str) -> None:
    """Set when a job may run that has not started: at a time, or so long from now."""
    said: dict[str, Any] = {"run_at" if isinstance(when, datetime) else "delay": when}
    for_each(place, screen, [job_id], lambda client, job_id: client.reschedule(job_id, **said))


@click.command(
    epilog="""\b
Examples:
  jobd jobs move 01KAMWZY9SVJ3Y4S5QKZ8J6T2N --to slow-lane
  jobd jobs list --status failed | cut -f1 | jobd jobs move - --to slow-lane --reason "too big" """
)
@click.option("--to", metavar="QUEUE", type=QueueName(), required=True, help="The queue.")
@click.option("--reason", metavar="TEXT", help="Why; kept with the old job.")
@for_many
@prints
@asks_store
def move(
    place: Place,
    screen: Screen,
    to: str,
    reason: str | None,
    chosen: Chosen,
) -> None:
    """Move jobs that have not started, or have failed, to another queue.

    A new job is made there, and the old one ends as cancelled; each tells the id of the other. It prints the new ones.
    An ID of - reads ids from standard input. Without ids, it is done to all that fit.
    """
    chosen.act(
        place, screen, "move", lambda client, job_id: client.move_to(job_id, to, reason=reason), to=to, reason=reason
    )


@click.command(
    epilog="""\b
Examples:
  jobd jobs duplicate 01KAMWZY9SVJ3Y4S5QKZ8J6T2N
  jobd jobs duplicate order-1234 --id order-1234-again --queue slow-lane amount:=5"""
)
@_ID
@data_options
@click.option("--id", "new_id", metavar="ID", help="An id of your own for the new job.")
@job_options
@prints
@asks_store
def duplicate(
    place: Place,
    screen: Screen,
    job_id: str,
    fields: tuple[tuple[str, Any], ...],
    data: str | None,
    new_id: str | None,
    options: Options,
) -> None:
    """Enqueue another job like this one.

    It waits now, whatever has become of this, unless --delay or --run-at says a time. Data and options are given as for
    `jobd jobs edit`.
    """

    async def copy(client: Client, job_id: str) -> Job:
        payload = await _changed(client, job_id, data, fields)
        return await client.copy(job_id, options, payload, new_id)

    for_each(place, screen, [job_id], copy)


@click.command(
    epilog="""\b
Examples:
  jobd jobs delete 01KAMWZY9SVJ3Y4S5QKZ8J6T2N
  jobd jobs list --status completed | cut -f1 | jobd jobs delete -"""
)
@for_many
@prints
@asks_store
def delete(
    place: Place,
    screen: Screen,
    chosen: Chosen,
) -> None:
    """Remove jobs that do not run, and all that is known of them.

    An ID of - reads ids from standard input. Without ids, it is done to all that fit, which are those that have ended
    unless --status says more.
    """

    async def remove(client: Client, job_id: str) -> None:
        await client.remove(job_id)

    chosen.act(place, screen, "remove", remove)


async def _changed(client: Client, job_id: str, data: str | None, fields: tuple[tuple[str, Any], ...]) -> object:
    """The payload of a job with what is given for it; KEEP if nothing is."""
    if data is not None:
        return read_data(data, fields)
    return {**(await client.get(job_id)).data, **read_data(None, fields)} if fields else KEEP


EDITS: Mapping[str, click.Command] = {
    "edit": edit,
    "edit-all": edit_all,
    "promote": promote,
    "reschedule": reschedule,
    "move": move,
    "duplicate": duplicate,
    "delete": delete,
}
"""the commands, by name"""
