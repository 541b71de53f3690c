"""`jobd jobs …`: list, show, cancel, retry, result, logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from jobd.cli.bulk import Chosen, for_many, job_filter
from jobd.cli.job_edits import EDITS
from jobd.cli.job_reports import REPORTS
from jobd.cli.job_rows import JOB_COLUMNS, job_row
from jobd.cli.job_sheet import LOG_COLUMNS, log_row, show_job
from jobd.cli.noun_group import NounGroup
from jobd.cli.options import Length, Whole, asks_store, prints
from jobd.cli.place import Place
from jobd.cli.screen import Screen, json_text
from jobd.cli.table import Cell, Column
from jobd.domain.rendering import job_to_json, list_to_json, log_line_to_json, page_to_json, reason_to_json
from jobd.domain.state import ENDED
from jobd.errors import StateConflict

if TYPE_CHECKING:
    from jobd.client import Client
    from jobd.control.filters import JobFilter


@click.group(
    cls=NounGroup,
    epilog="""\b
Examples:
  jobd jobs list --status failed --queue email-notifications
  jobd jobs show 01KAMWZY9SVJ3Y4S5QKZ8J6T2N""",
)
def jobs() -> None:
    """List, show, change, cancel and retry jobs.

    Without a command it lists them.
    """


@jobs.command(
    "list",
    epilog="""\b
Examples:
  jobd jobs list
  jobd jobs list --status failed --type send-email --date 2026-01-31
  jobd jobs list --status waiting -o json""",
)
@job_filter
@click.option("--limit", metavar="N", type=Whole(1, 200), default=50, help="At most so many (1 to 200; 50).")
@click.option("--cursor", metavar="WORD", help="Go on where an earlier list ended.")
@prints
@asks_store
def list_jobs(
    place: Place,
    screen: Screen,
    which: JobFilter,
    limit: int,
    cursor: str | None,
) -> None:
    """List jobs.

    Active ones come first, then waiting ones in the order of service, delayed, blocked, failed, completed and
    cancelled ones.
    """
    page = place.ask(lambda client: client.list(limit=limit, cursor=cursor, **which))
    if screen.is_json:
        return screen.json(
            page_to_json(page.jobs, limit=limit, cursor=page.cursor, scanned=page.scanned, complete=page.complete)
        )
    screen.rows(JOB_COLUMNS, [job_row(screen, job) for job in page.jobs], none="there are no such jobs")
    if page.cursor:
        screen.note(f"there may be more: add --cursor {page.cursor}")
    return None


@jobs.command(
    "show",
    epilog="""\b
Examples:
  jobd jobs show 01KAMWZY9SVJ3Y4S5QKZ8J6T2N
  jobd jobs show order-1234 -o json""",
)
@click.argument("job_id", metavar="ID")
@prints
@asks_store
def show(place: Place, screen: Screen, job_id: str) -> None:
    """Show all about a job: data, result, attempts, errors with their tracebacks, log, progress."""

    async def conversation(client: Client) -> None:
        job, lines = await client.get(job_id), await client.logs(job_id)
        hint = await client.hint(job)
        if screen.is_json:
            told = [log_line_to_json(line) for line in lines]
            return screen.json({**job_to_json(job), "hint": hint, "logs": told})
        return show_job(screen, job, lines, hint)

    place.ask(conversation)


@jobs.command(
    "why",
    epilog="""\b
Examples:
  jobd jobs why 01KAMWZY9SVJ3Y4S5QKZ8J6T2N
  jobd jobs why order-1234 -o json""",
)
@click.argument("job_id", metavar="ID")
@prints
@asks_store
def why(place: Place, screen: Screen, job_id: str) -> None:
    """Say why a job does not run now: the reasons, those that weigh most first."""
    reasons = place.ask(lambda client: client.why(job_id))
    if screen.is_json:
        return screen.json({"id": job_id, "reasons": [reason_to_json(reason) for reason in reasons]})
    columns = [Column("CAUSE"), Column("UNTIL"), Column("REASON", below=3)]
    rows = [[Cell(reason.cause), screen.time(reason.until), Cell(reason.message)] for reason in reasons]
    return screen.rows(columns, rows, none="")


@jobs.command(
    "cancel",
    epilog="""\b
Examples:
  jobd jobs cancel 01KAMWZY9SVJ3Y4S5QKZ8J6T2N --reason "sent by hand"
  jobd jobs list --status waiting | cut -f1 | jobd jobs cancel -""",
)
@click.option("--reason", metavar="TEXT", help="Why; kept with the job.")
@for_many
@prints
@asks_store
def cancel(
    place: Place,
    screen: Screen,
    reason: str | None,
    chosen: Chosen,
) -> None:
    """Cancel jobs.

    One that has not started is cancelled at once; the worker of a running one is told to stop it. An ID of - reads ids
    from standard input. Without ids, it is done to all that fit.
    """
    chosen.act(place, screen, "cancel", lambda client, job_id: client.cancel(job_id, reason=reason), reason=reason)


@jobs.command(
    "retry",
    epilog="""\b
Examples:
  jobd jobs retry 01KAMWZY9SVJ3Y4S5QKZ8J6T2N
  jobd jobs retry --queue email-notifications --date 2026-01-31 --dry-run
  jobd jobs list --status failed | cut -f1 | jobd jobs retry -""",
)
@for_many
@prints
@asks_store
def retry(
    place: Place,
    screen: Screen,
    chosen: Chosen,
) -> None:
    """Run jobs again that have ended.

    They get all their attempts anew. An ID of - reads ids from standard input. Without ids, it is done to all that fit,
    which are failed ones unless --status says more.
    """
    chosen.act(place, screen, "retry", lambda client, job_id: client.retry(job_id))


@jobs.command(
    "result",
    epilog="""\b
Examples:
  jobd jobs result 01KAMWZY9SVJ3Y4S5QKZ8J6T2N
  jobd jobs result order-1234 --wait --wait-timeout 30s""",
)
@click.argument("job_id", metavar="ID")
@click.option("--wait", is_flag=True, help="Wait until it has ended.")
@click.option("--wait-timeout", metavar="DURATION", type=Length(), help="Wait that long at most (exit code 7).")
@asks_store
def result(place: Place, job_id: str, wait: bool, wait_timeout: float | None) -> None:
    """Print what a job returned, as JSON.

    The exit code is 8 if it has failed or was cancelled, and 5 if it has not ended.
    """

    async def conversation(client: Client) -> Any:
        if not wait and wait_timeout is None:
            job = await client.get(job_id)
            if job.status not in ENDED:
                raise StateConflict(f"job {job_id} is {job.status} and has no result yet; add --wait")
        return await client.result(job_id, wait_timeout)

    click.echo(json_text(place.ask(conversation)))


@jobs.command(
    "logs",
    epilog="""\b
Examples:
  jobd jobs logs 01KAMWZY9SVJ3Y4S5QKZ8J6T2N
  jobd jobs logs order-1234 -o json""",
)
@click.argument("job_id", metavar="ID")
@prints
@asks_store
def logs(place: Place, screen: Screen, job_id: str) -> None:
    """Print what a job's handler logged, the oldest line first."""
    lines = place.ask(lambda client: client.logs(job_id))
    if screen.is_json:
        return screen.json(list_to_json([log_line_to_json(line) for line in lines]))
    return screen.rows(LOG_COLUMNS, [log_row(line) for line in lines], none="it has logged nothing")


for _name, _command in {**EDITS, **REPORTS}.items():
    jobs.add_command(_command, _name)
