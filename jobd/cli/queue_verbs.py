"""`jobd queues drain`, `clean`, `retry-failed`, `promote-delayed`, `obliterate`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from jobd.cli.bulk import act_on_all
from jobd.cli.consent import Consent, asks_first
from jobd.cli.options import Length, QueueName, Whole, asks_store, prints
from jobd.cli.place import Place
from jobd.cli.screen import Screen

if TYPE_CHECKING:
    from jobd.client import Client

_QUEUE = click.argument("queue", metavar="QUEUE", type=QueueName())
_DRY_RUN = click.option("--dry-run", is_flag=True, help="Only say how many there are, and show the first ten.")


@click.command(
    epilog="""\b
Examples:
  jobd queues drain email-notifications --dry-run
  jobd queues drain email-notifications --delayed"""
)
@_QUEUE
@click.option("--delayed", is_flag=True, help="Those that are delayed, too.")
@_DRY_RUN
@prints
@asks_store
def drain(place: Place, screen: Screen, queue: str, delayed: bool, dry_run: bool) -> None:
    """Remove the jobs that wait in a queue; never one that runs."""
    status = ["waiting", *(["delayed"] if delayed else [])]
    act_on_all(place, screen, "remove", {"queue": queue, "status": status}, dry_run=dry_run)


@click.command(
    epilog="""\b
Examples:
  jobd queues clean email-notifications --older-than 7d
  jobd queues clean email-notifications --status completed --most 10000 --dry-run"""
)
@_QUEUE
@click.option("--status", metavar="WORD", multiple=True, help="completed, failed or cancelled; may be repeated.")
@click.option("--older-than", metavar="DURATION", type=Length(), help="Those that ended so long ago.")
@click.option("--most", metavar="N", type=Whole(1, 2**53), help="At most so many.")
@_DRY_RUN
@prints
@asks_store
def clean(
    place: Place,
    screen: Screen,
    queue: str,
    status: tuple[str, ...],
    older_than: float | None,
    most: int | None,
    dry_run: bool,
) -> None:
    """Remove jobs of a queue that have ended."""
    before = place.ask(lambda client: client.long_ago(round((older_than or 0) * 1_000)))
    act_on_all(
        place,
        screen,
        "remove",
        {"queue": queue, "status": status or ["ended"], "finished_before": before},
        most=most,
        dry_run=dry_run,
    )


def _to_all(name: str, verb: str, about: str) -> click.Command:
    """The command `name`, which does the verb of an operation to all jobs of a queue in its usual state."""

    @click.command(
        name,
        help=about,
        epilog=f"""\b
Examples:
  jobd queues {name} email-notifications
  jobd queues {name} email-notifications --dry-run""",
    )
    @_QUEUE
    @_DRY_RUN
    @prints
    @asks_store
    def command(place: Place, screen: Screen, queue: str, dry_run: bool) -> None:
        act_on_all(place, screen, verb, {"queue": queue}, dry_run=dry_run)

    return command


@click.command(
    epilog="""\b
Examples:
  jobd queues obliterate old-queue --dry-run
  jobd queues obliterate old-queue
  jobd queues obliterate old-queue --force --yes"""
)
@_QUEUE
@click.option("--force", is_flag=True, help="Even if some run; they are stopped and removed.")
@click.option("--dry-run", is_flag=True, help="Only say how many jobs the queue has.")
@asks_first
@prints
@asks_store
def obliterate(place: Place, screen: Screen, consent: Consent, queue: str, force: bool, dry_run: bool) -> None:
    """Remove all jobs of a queue, ended ones too; not while any run, unless forced."""

    async def count(client: Client) -> int:
        known = (await client.queues()).get(queue)
        return sum(known.counts.values()) if known else 0

    found = place.ask(count)
    if dry_run:
        return screen.json({"matched": found}) if screen.is_json else screen.line(f"{found:,} would be removed")
    if found:
        consent.ask(f"queue {queue} will lose all {found:,} of its jobs, which cannot be undone")
    removed = place.ask(lambda client: client.obliterate(queue, force=force))
    return screen.json({"removed": removed}) if screen.is_json else screen.line(f"{removed:,} removed")


QUEUE_VERBS: Mapping[str, click.Command] = {
    "drain": drain,
    "clean": clean,
    "retry-failed": _to_all("retry-failed", "retry", "Run all failed jobs of a queue again."),
    "promote-delayed": _to_all("promote-delayed", "promote", "Run all delayed jobs of a queue now."),
    "obliterate": obliterate,
}
"""the commands, by name"""
