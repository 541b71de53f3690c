"""Commands that act on all jobs that fit, instead of on named ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from jobd.cli.exits import Exit
from jobd.cli.job_rows import JOB_COLUMNS, for_each, job_row
from jobd.cli.options import Day, Field, QueueName, Whole
from jobd.cli.place import Place
from jobd.cli.screen import Screen
from jobd.control.operations import read_verb
from jobd.domain.operation import Operation, Preview, Stage
from jobd.domain.options import NONE, Options
from jobd.domain.rendering import job_to_json, operation_to_json

if TYPE_CHECKING:
    from jobd.client import Client
    from jobd.control.filters import JobFilter
    from jobd.domain.job import Job

_STEP_S = 2.0
"""seconds between two words about how far it is"""


def job_filter(function: Callable[..., None]) -> Callable[..., None]:
    """Adds the options that say which jobs; the command gets them as `which`."""

    @click.option("--status", metavar="WORD", multiple=True, help="In this state; may be repeated.")
    @click.option("--type", "job_type", metavar="NAME", help="Of this job type.")
    @click.option("--queue", metavar="NAME", type=QueueName(), help="Of this queue.")
    @click.option("--date", metavar="YYYY-MM-DD", type=Day(), help="Created on this day (UTC).")
    @click.option("--tag", "tags", metavar="TAG", multiple=True, help="With this tag; may be repeated.")
    @click.option("--metadata", metavar="KEY=TEXT", multiple=True, type=Field(), help="With this fact, or several.")
    @wraps(function)
    def command(
        *args: Any,
        status: tuple[str, ...],
        job_type: str | None,
        queue: str | None,
        date: Any,
        tags: tuple[str, ...],
        metadata: tuple[tuple[str, Any], ...],
        **options: Any,
    ) -> None:
        said = {
            "status": status,
            "type": job_type,
            "queue": queue,
            "date": date,
            "tags": tags,
            "metadata": dict(metadata),
        }
        function(*args, which={name: value for name, value in said.items() if value}, **options)

    return command


@dataclass(frozen=True, slots=True)
class Chosen:
    """The jobs that a command is about: named by their ids, or all that fit."""

    ids: tuple[str, ...]
    which: JobFilter
    everything: bool
    most: int | None
    dry_run: bool

    def __post_init__(self) -> None:
        """Raises UsageError unless it is one of both."""
        if bool(self.ids) == self._fitting:
            raise click.UsageError("name jobs by their ids, or say which ones by --queue, --status, …, or --all")
        if set(self.which) == {"status"} and not self.everything:
            raise click.UsageError("this means all queues; add --queue or another filter, or --all")

    @property
    def _fitting(self) -> bool:
        return bool(self.which) or self.everything

    def act(
        self,
        place: Place,
        screen: Screen,
        verb: str,
        each: Callable[[Client, str], Awaitable[Job | None]],
        *,
        reason: str | None = None,
        to: str | None = None,
    ) -> None:
        """Does it: to all that fit by the verb of an operation, to each of the named ones by `each`."""
        if not self._fitting:
            return for_each(place, screen, self.ids, each)
        return act_on_all(place, screen, verb, self.which, dry_run=self.dry_run, most=self.most, reason=reason, to=to)


def for_many(function: Callable[..., None]) -> Callable[..., None]:
    """Adds the ids, the filter, --all, --most and --dry-run; the command gets them as `chosen`."""

    @click.argument("ids", metavar="[ID]...", nargs=-1)
    @job_filter
    @click.option("--all", "everything", is_flag=True, help="Meant are all jobs in the usual states.")
    @click.option("--most", metavar="N", type=Whole(1, 2**53), help="At most so many.")
    @click.option("--dry-run", is_flag=True, help="Only say how many there are, and show the first ten.")
    @wraps(function)
    def command(
        *args: Any,
        ids: tuple[str, ...],
        which: JobFilter,
        everything: bool,
        most: int | None,
        dry_run: bool,
        **options: Any,
    ) -> None:
        function(*args, chosen=Chosen(ids, which, everything, most, dry_run), **options)

    return command


def act_on_all(
    place: Place,
    screen: Screen,
    verb: str,
    which: JobFilter,
    *,
    dry_run: bool = False,
    most: int | None = None,
    reason: str | None = None,
    to: str | None = None,
    changes: Options = NONE,
    data: Mapping[str, Any] | None = None,
) -> None:
    """Does it to all jobs that fit, here; if this process dies over it, a monitor goes on."""
    if dry_run:
        return show_preview(screen, place.ask(lambda client: client.preview(verb, **which)))

    async def conversation(client: Client) -> Operation:
        operation = await client.begin(
            read_verb(verb), which, reason=reason, to=to, changes=changes, data=data, most=most
        )
        while operation.stage is Stage.RUNNING:
            operation = await client.run_operation(operation.id, seconds=_STEP_S)
            if operation.stage is Stage.RUNNING and screen.on_terminal:
                screen.note(f"{operation.done:,} done; `jobd operations cancel {operation.id}` stops it")
        return operation

    return show_end(screen, place.ask(conversation))


def show_preview(screen: Screen, found: Preview) -> None:
    """What an operation would find."""
    if screen.is_json:
        sample = [job_to_json(job) for job in found.sample]
        return screen.json({"dry_run": True, "count": found.count, "exact": found.exact, "sample": sample})
    screen.rows(JOB_COLUMNS, [job_row(screen, job) for job in found.sample], none="there are no such jobs")
    return screen.note(f"{'' if found.exact else 'more than '}{found.count:,} jobs would be meant; nothing was done")


def show_end(screen: Screen, operation: Operation) -> None:
    """How an operation ended; exit code 10 if some jobs could not be done."""
    if screen.is_json:
        screen.json(operation_to_json(operation))
    else:
        screen.line(f"{operation.done:,} done, {operation.skipped:,} skipped, {operation.failed:,} failed")
        for error in operation.errors:
            screen.note(f"{error['id']}: {error['message']}")
    if operation.failed:
        raise click.exceptions.Exit(Exit.PARTLY)
