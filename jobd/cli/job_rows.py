"""Jobs as rows, and commands that do something to each of several jobs."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import click

from jobd.cli import faults
from jobd.cli.job_sheet import summary
from jobd.cli.place import Place
from jobd.cli.screen import Screen, status_cell
from jobd.cli.table import Cell, Column
from jobd.domain.rendering import job_to_json, list_to_json
from jobd.domain.state import State
from jobd.errors import JobdError, StoreError

if TYPE_CHECKING:
    from jobd.client import Client
    from jobd.domain.job import Job

JOB_COLUMNS = (
    Column("ID"),
    Column("TYPE", least=10),
    Column("QUEUE", least=10),
    Column("STATUS"),
    Column("ATTEMPT", right=True, spare=2),
    Column("PRIORITY", right=True, spare=3),
    Column("CREATED", spare=1),
    Column("NOTE", below=2),
)


def for_each(
    place: Place, screen: Screen, ids: Sequence[str], act: Callable[[Client, str], Awaitable[Job | None]]
) -> None:
    """Does it to each job; what fails is told, and the others are done all the same."""
    wanted = [word for given in ids for word in (_read_ids() if given == "-" else (given,))]

    async def conversation(client: Client) -> tuple[list[Job], list[JobdError]]:
        done: list[Job] = []
        failed: list[JobdError] = []
        for job_id in wanted:
            try:
                job = await act(client, job_id)
                if job is not None:
                    done.append(job)
            except StoreError:
                raise
            except JobdError as error:
                failed.append(error)
        return done, failed

    done, failed = place.ask(conversation)
    if screen.is_json:
        screen.json(list_to_json([job_to_json(job) for job in done]))
    elif done:
        screen.rows(JOB_COLUMNS, [job_row(screen, job) for job in done], none="")
    codes = {faults.tell(error, as_json=screen.is_json) for error in failed}
    if codes:
        raise click.exceptions.Exit(codes.pop() if len(codes) == 1 else 1)


def _read_ids() -> list[str]:
    return sys.stdin.read().split()


def job_row(screen: Screen, job: Job) -> list[Cell]:
    """The cells of a job."""
    return [
        Cell(job.id),
        Cell(job.type),
        Cell(job.queue),
        status_cell(job.status),
        Cell(f"{job.attempt}/{job.max_attempts}"),
        Cell(str(job.priority)),
        screen.time(job.created_at),
        Cell(summary(job, screen), minor=job.status is State.COMPLETED and not job.cancel_requested),
    ]
