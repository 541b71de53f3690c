"""`jobd enqueue`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from jobd.cli.job_data import data_options, read_data
from jobd.cli.job_options import job_options
from jobd.cli.options import Length, asks_store, prints
from jobd.cli.place import Place
from jobd.cli.screen import Screen, json_text
from jobd.domain.rendering import job_to_json

if TYPE_CHECKING:
    from jobd.client import Client
    from jobd.domain.options import Options


@click.command(
    epilog="""\b
Examples:
  jobd enqueue send-email to=ada@example.org subject=Hello body=Hi
  jobd enqueue add a:=1 b:=2 --wait
  jobd enqueue resize-image --data @image.json --priority high --delay 5m
  jobd enqueue deliver-webhook --data - < body.json

It prints the id of the job, or with --wait what the job returned."""
)
@click.argument("job_type", metavar="TYPE")
@data_options
@click.option("--id", "job_id", metavar="ID", help="An id of your own; a second job of this id is not made.")
@job_options
@click.option("--wait", is_flag=True, help="Wait until it has ended, and print what it returned.")
@click.option("--wait-timeout", metavar="DURATION", type=Length(), help="Wait that long at most (exit code 7).")
@prints
@asks_store
def enqueue(
    place: Place,
    screen: Screen,
    job_type: str,
    fields: tuple[tuple[str, Any], ...],
    data: str | None,
    job_id: str | None,
    options: Options,
    wait: bool,
    wait_timeout: float | None,
) -> None:
    """Enqueue a job.

    TYPE names the job type. Its data is given as fields, `key=text` or `key:=json`, and as a whole with --data; fields
    win. It is checked before anything is sent, if the plugin of the type is installed here.
    """
    payload = read_data(data, fields)
    waits = wait or wait_timeout is not None

    async def conversation(client: Client) -> None:
        from jobd.intake import Request

        handle = (await client.enqueue_requests([Request(job_type, payload, options, job_id)]))[0]
        if handle.outcome == "ignored":
            screen.note("another job has its unique key; none was made")
            return screen.json(None) if screen.is_json else None
        if handle.outcome == "replaced":
            screen.note(f"job {handle.id}, which has its unique key, was given its data; no other was made")
        elif handle.id == job_id and not handle.created:
            screen.note(f"a job with the id {handle.id} existed already; no other was made")
        elif not handle.created:
            screen.note(f"job {handle.id} has its unique key; no other was made")
        job = await handle.get()
        hint = await client.hint(job)
        if not waits:
            if screen.is_json:
                return screen.json({**job_to_json(job), "hint": hint})
            screen.line(handle.id)
            if screen.on_terminal:
                screen.note(f"{handle.type} waits in queue {handle.queue}; `jobd jobs show {handle.id}` follows it")
        else:
            screen.note(f"{handle.type} {handle.id}")
        if hint and (waits or screen.on_terminal):
            screen.note(hint)
        if not waits:
            return None
        result = await client.result(handle.id, wait_timeout)
        if screen.is_json:
            return screen.json(job_to_json(await handle.get()))
        return screen.line(json_text(result))

    place.ask(conversation)
