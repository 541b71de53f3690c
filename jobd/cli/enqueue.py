"""`jobd enqueue`."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobd.cli.options import (
    Field,
    Length,
    Moment,
    QueueName,
    asks_store,
    parse_json,
    prints,
    seconds_or_text,
)
from jobd.cli.place import Place
from jobd.cli.screen import Screen, json_text
from jobd.domain.rendering import job_to_json

if TYPE_CHECKING:
    from jobd.client import Client


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
@click.argument("fields", metavar="[KEY=TEXT|KEY:=JSON]...", nargs=-1, type=Field())
@click.option("--data", metavar="JSON|@FILE|-", help="The data as JSON: as it stands, from a file, or from stdin (-).")
@click.option("--id", "job_id", metavar="ID", help="An id of your own; a second job of this id is not made.")
@click.option("--queue", metavar="NAME", type=QueueName(), help="The queue it waits in.")
@click.option(
    "--priority", metavar="1-10|NAME", help="1 (most urgent) to 10, or critical, high, normal, low, background."
)
@click.option("--delay", metavar="DURATION", type=Length(), help="Run it that long from now: 5s, 10m, 1d.")
@click.option("--run-at", metavar="TIME", type=Moment(), help="Run it then: 2026-01-31T08:00:00Z.")
@click.option("--max-attempts", metavar="N", type=int, help="How often it may run in all.")
@click.option("--retries", metavar="N", type=int, help="The same without the first run: 3 means up to 4 attempts.")
@click.option(
    "--backoff", metavar="DURATION|JSON", help='The pause between attempts: 10s, or {"kind": "exponential", ...}.'
)
@click.option("--timeout", metavar="DURATION", type=Length(), help="How long one attempt may run.")
@click.option("--tag", "tags", metavar="WORD", multiple=True, help="A tag; may be repeated.")
@click.option("--metadata", metavar="KEY=TEXT", multiple=True, type=Field(), help="A fact about it; may be repeated.")
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
    backoff: str | None,
    tags: tuple[str, ...],
    metadata: tuple[tuple[str, Any], ...],
    wait: bool,
    wait_timeout: float | None,
    run_at: datetime | None,
    **options: Any,
) -> None:
    """Enqueue a job.

    TYPE names the job type. Its data is given as fields, `key=text` or `key:=json`, and as a whole with --data; fields
    win. It is checked before anything is sent, if the plugin of the type is installed here.
    """
    payload = _payload(data, fields)
    options |= {
        "id": job_id,
        "run_at": run_at,
        "backoff": _backoff(backoff),
        "tags": tags or None,
        "metadata": dict(metadata) or None,
    }
    waits = wait or wait_timeout is not None

    async def conversation(client: Client) -> None:
        handle = await client.enqueue(job_type, payload, **options)
        if not handle.created:
            screen.note(f"a job with the id {handle.id} existed already; no other was made")
        if not waits:
            if screen.is_json:
                return screen.json(job_to_json(await handle.get()))
            screen.line(handle.id)
            if screen.on_terminal:
                screen.note(f"{handle.type} waits in queue {handle.queue}; `jobd jobs show {handle.id}` follows it")
            return None
        screen.note(f"{handle.type} {handle.id}")
        result = await client.result(handle.id, wait_timeout)
        if screen.is_json:
            return screen.json(job_to_json(await handle.get()))
        return screen.line(json_text(result))

    place.ask(conversation)


def _payload(data: str | None, fields: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    payload = {} if data is None else parse_json(_text(data), "--data")
    if not isinstance(payload, dict):
        raise click.BadParameter("the data of a job is a JSON object of named fields", param_hint="--data")
    return {**payload, **dict(fields)}


def _text(data: str) -> str:
    if data == "-":
        return sys.stdin.read()
    if not data.startswith("@"):
        return data
    try:
        return Path(data[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{data[1:]} cannot be read: {error}", param_hint="--data") from None


def _backoff(text: str | None) -> Any:
    if text is None:
        return None
    return parse_json(text, "--backoff") if text.lstrip().startswith("{") else seconds_or_text(text)
